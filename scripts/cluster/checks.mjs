// What the cluster run checks, in its order.
import { agreeOn, connectClinics } from "./clinics.mjs";
import { getJson, helm, run } from "./commands.mjs";
import { deleteEachPod, ready, upgradeAndRollBack } from "./disturbances.mjs";
import { OPERATORS, chartOf, install, makeNamespaces, valuesFor } from "./installation.mjs";
import { accountFor, streamOfJobs } from "./jobs.mjs";

const NETWORK = "A";
const IN_FLIGHT = 4;
/** Jobs go on for as long as something is disturbed. */
const RECORDS = 100_000;

/** @param report is called with each check: { name, ok, seconds, figures } */
export async function checkCluster(options, ending, say, report) {
  const check = async (name, work) => {
    const started = performance.now();
    const { ok, figures = "" } = await work().catch((error) => ({ ok: false, figures: error.message }));
    report({ name, ok, seconds: Math.round((performance.now() - started) / 100) / 10, figures });
    return ok;
  };
  await makeNamespaces();
  for (const name of OPERATORS)
    await check(`the API server accepts everything that ${name}'s chart renders`, () => serverAccepts(name, options));
  const begun = performance.now();
  for (const name of OPERATORS)
    if (!(await check(`helm install ${name} --wait`, () => install(name, options, say).then(() => ({ ok: true })))))
      throw new Error(`${name} was not installed`);
  const { parleys, close } = await connectClinics();
  ending.push(close);
  const { asset, plain } = await agreeOn(parleys, NETWORK, RECORDS);
  const parley = parleys.get("clinic-b");
  const stream = (count, more) => streamOfJobs({ parley, asset, plain, count, more, inFlight: IN_FLIGHT });
  await check("first private prediction equals the plaintext", async () => {
    const { right } = await stream(1);
    const minutes = (performance.now() - begun) / 60_000;
    return { ok: right === 1, figures: `${minutes.toFixed(1)} min from nothing` };
  });
  for (const name of OPERATORS)
    await check(`helm test ${name}`, () => helm(name, "test", name, "--timeout", "5m").then(() => ({ ok: true })));
  await check("all pods run under the restricted pod security standard", restricted);
  const under = (name, disturb) =>
    check(name, () => {
      let disturbing = true;
      const done = disturb().finally(() => (disturbing = false));
      return undisturbed(
        stream(options.jobs, () => disturbing),
        done,
        parley,
      );
    });
  await under(`at least ${options.jobs} jobs while each release is upgraded and rolled back`, () =>
    upgradeAndRollBack(options, Date.now(), say),
  );
  for (const name of OPERATORS) await ready(name);
  await under(`at least ${options.jobs} jobs while every pod is deleted in turn`, () => deleteEachPod(say));
  // Single in a trial, so jobs wait for them.
  await under(`at least ${options.jobs} jobs while each database is deleted in turn`, () =>
    deleteEachPod(say, { databases: true }),
  );
}

async function serverAccepts(name, options) {
  const rendered = await helm(name, "template", name, chartOf(name), "--validate", ...valuesFor(name, options));
  // A pod is refused where its service account does not exist yet: helm test makes both.
  const objects = rendered.split(/^---$/m).filter((text) => /^kind:/m.test(text) && !/^kind: Pod$/m.test(text));
  await run("kubectl", ["-n", name, "apply", "--dry-run=server", "-f", "-"], { input: objects.join("---\n") });
  return { ok: true, figures: `${objects.length} objects` };
}

async function restricted() {
  let pods = 0;
  for (const name of OPERATORS) {
    const { metadata } = await getJson("default", "namespace", name);
    if (metadata.labels["pod-security.kubernetes.io/enforce"] !== "restricted") return { ok: false };
    pods += (await getJson(name, "pods")).items.length;
  }
  return { ok: pods > 0, figures: `${pods} pods` };
}

/** All jobs succeed, each once, each right, whatever was done meanwhile. */
async function undisturbed(streaming, disturbing, parley) {
  const [jobs, done] = await Promise.all([streaming, disturbing]);
  const { states, distinct, unfinished } = await accountFor(parley, jobs.ids);
  const ok =
    jobs.failures.length === 0 &&
    jobs.right === jobs.succeeded &&
    distinct === jobs.ids.length &&
    states.succeeded === jobs.ids.length &&
    unfinished === 0;
  const figures = `${jobs.succeeded} succeeded, ${jobs.right} right, ${jobs.failures.length} failed; ${done.length} disturbances`;
  return { ok, figures: [figures, ...jobs.failures.slice(0, 5)].join("; ") };
}
