// The access point keeps prepared sessions in stock and fills it again after each job. A measured run must find one, and
// the filling must not share the cores with it: so the benchmark waits until the stock is full, and proves it afterwards.
const QUIET_AT_LEAST_MS = 50;
const PATIENCE_MS = 30_000;

async function entries(parley, subject) {
  const all = [];
  for (let token = ""; ;) {
    const page = await parley.client.listAudit({ subject, page: { limit: 1000, token } });
    all.push(...page.entries);
    token = page.nextToken;
    if (!token) return all;
  }
}

const batchesPrepared = async (parley, agreement) =>
  (await entries(parley, agreement)).filter((e) => e.action === "batch.prepared");
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until more sessions were prepared than used, and no further one is being prepared. */
export async function untilStocked(parley, agreement, used, offlineMs) {
  const quietMs = Math.max(QUIET_AT_LEAST_MS, 3 * offlineMs);
  const started = performance.now();
  for (let count = -1, since = started; ;) {
    await pause(quietMs / 2);
    const now = performance.now();
    const seen = (await batchesPrepared(parley, agreement)).length;
    if (seen !== count) [count, since] = [seen, now];
    else if (count > used && now - since >= quietMs) return;
    if (now - started > PATIENCE_MS && count <= used)
      throw new Error(`no session was prepared in ${PATIENCE_MS / 1000} s; see the worker's log`);
  }
}

/**
 * How many runs were bound to a batch that the audit log of the data owner shows as prepared before their submission.
 * @param runs ids of jobs and when they were submitted, milliseconds since 1970
 */
export async function preparedBefore({ a, b }, agreement, runs) {
  const prepared = new Map(
    (await batchesPrepared(b, agreement)).map((e) => [JSON.parse(e.details).batch, e.at.getTime()]),
  );
  let count = 0;
  for (const { job, submittedAt } of runs) {
    const bound = (await entries(a, job)).find((e) => e.action === "run.bound");
    if (bound && prepared.get(JSON.parse(bound.details).batch) < submittedAt) count++;
  }
  return count;
}
