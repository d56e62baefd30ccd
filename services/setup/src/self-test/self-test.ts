import { Code, Parley, ParleyError } from "@parley/sdk";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startChild, type Child } from "./child.js";
import { MODEL, RECORDS, RESULTS } from "./model.js";

const HOUR_MS = 3_600_000;
const READY_MS = 60_000;
const ANYWHERE = { PARLEY_LISTEN: "127.0.0.1:0", PARLEY_HEALTH_LISTEN: "127.0.0.1:0", PARLEY_ADVERTISE: "localhost" };

export interface SelfTestReport {
  readonly ok: boolean;
  readonly organisation: string;
  readonly records: number;
  /** From the job's submission to its result, milliseconds. */
  readonly submitToResultMs: number;
  readonly onlineMs: number;
}

/**
 * A private prediction through an installation, by a self-test organisation that lives for the test's time: an access point and
 * a worker as child processes. The installation under test owns the model. Its agreement is revoked at the end.
 * @param main a connection as administrator of the access point under test
 * @throws ParleyError, Error that name what does not work
 */
export async function selfTest(main: Parley, say: (text: string) => void): Promise<SelfTestReport> {
  const folder = mkdtempSync(join(tmpdir(), "parley-self-test-"));
  const children: Child[] = [];
  let test: Parley | undefined;
  try {
    say("inviting the self-test organisation at router and dealer");
    const { organisationId, routerToken, dealerToken } = await main.client.createSelfTestTokens({});
    say(`starting an access point and a worker of ${organisationId}`);
    const data = join(folder, "vault");
    const settings = {
      ...ANYWHERE,
      PARLEY_ORG: organisationId,
      PARLEY_DATA_DIR: data,
      PARLEY_ENROL_LISTEN: "127.0.0.1:0",
    };
    const accessPoint = await startChild("access-point", settings);
    children.push(accessPoint);
    const read = (name: string) => readFileSync(join(data, name), "utf8");
    const invited = (test = Parley.connect({
      address: accessPoint.addresses.enrol ?? "",
      ca: read("ca.pem"),
      apiKey: read("admin-key").trim(),
    }));
    await patiently(() => invited.organisations.enrol(routerToken, "router"));
    await patiently(() => invited.organisations.enrol(dealerToken, "dealer"));
    await patiently(() => trustEachOther(main, invited, organisationId));
    const tokenFile = join(folder, "worker-token");
    const { token } = await invited.client.createWorkerToken({ validSeconds: 600, reusable: false });
    writeFileSync(tokenFile, token, { mode: 0o600 });
    children.push(await startChild("worker", { ...ANYWHERE, PARLEY_WORKER_TOKEN_FILE: tokenFile }));
    return await predict(main, invited, organisationId, say);
  } finally {
    test?.close();
    for (const child of children.reverse()) await child.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Both sides are the same people here: the fingerprints go from one connection to the other. */
async function trustEachOther(main: Parley, test: Parley, testId: string) {
  const own = (await main.organisations.get()).organisation;
  const dealer = (await main.organisations.get("dealer")).organisation;
  await test.organisations.trust("dealer", dealer?.fingerprint ?? "");
  await test.organisations.trust(own?.id ?? "", own?.fingerprint ?? "");
  await main.organisations.trust(testId, (await test.organisations.get()).organisation?.fingerprint ?? "");
}

async function predict(main: Parley, test: Parley, to: string, say: (text: string) => void): Promise<SelfTestReport> {
  say("publishing the built-in model and signing an agreement");
  const model = {
    name: "self-test",
    model: MODEL,
    inputSchema: { lo: -1, hi: 1 },
    description: "built in, for self tests",
  };
  const { asset } = await main.publish(model);
  const expires = new Date(Date.now() + HOUR_MS);
  const terms = { asset: asset.id, to, records: 2 * RECORDS.length, expires, purpose: "self test", maxPrepared: 1 };
  const { id } = await main.agreements.offer(terms);
  try {
    await patiently(() => test.agreements.accept(id));
    for (const side of [main, test]) await ready(side, id);
    say("running a private prediction");
    const job = test.createJob({
      operation: "predict",
      asset: await test.asset(asset.id),
      agreement: id,
      dataset: RECORDS,
    });
    const started = performance.now();
    await job.submit();
    if (!job.success) throw job.error ?? new Error(`the job is ${job.state}`);
    return {
      ok: JSON.stringify(job.result.values) === JSON.stringify(RESULTS),
      organisation: to,
      records: RECORDS.length,
      submitToResultMs: Math.round(performance.now() - started),
      onlineMs: Number(job.timings?.onlineMicros ?? 0) / 1000,
    };
  } finally {
    await main.agreements.revoke(id, "the self test is over");
  }
}

async function ready(side: Parley, agreement: string) {
  for (const until = Date.now() + READY_MS; Date.now() < until; await pause(200))
    if ((await side.agreements.get(agreement)).ready) return;
  throw new Error(
    "the agreement was not ready in a minute: are workers attached (kubectl get pods), and may they reach the dealer?",
  );
}

/** A pod that has just begun may not be let in yet, until the network knows its address. */
async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (const until = Date.now() + READY_MS; ; await pause(1000))
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof ParleyError) || error.code !== Code.UNAVAILABLE || Date.now() > until) throw error;
    }
}
