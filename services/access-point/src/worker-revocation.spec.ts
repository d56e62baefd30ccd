import { createKeyAndCsr } from "@parley/agreement";
import { Code, scheduler, type fleet } from "@parley/proto";
import { createLogger } from "@parley/service-kit";
import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from "vitest";
import { Fixture, TestAccessPoint, submit, until } from "./testing/fixture.js";
import { FakeWorker } from "./testing/fake-worker.js";
import { Vault } from "./store/vault.js";
import { resultOf } from "./testing/run-result.js";

const { JobState } = scheduler;
const REVOKED = expect.objectContaining({ reason: "WORKER_REVOKED", code: Code.PERMISSION_DENIED });
const csr = async () => Buffer.from((await createKeyAndCsr()).csrDer);

describe("a worker that is revoked", () => {
  const a = new TestAccessPoint("clinic-a", createLogger("test", "silent"));
  let token: string;
  const workers: FakeWorker[] = [];
  beforeAll(() => a.start());
  beforeEach(async () => {
    ({ token } = await a.member.createWorkerToken({ validSeconds: 600, reusable: true }));
  });
  afterEach(() => workers.splice(0).forEach((worker) => worker.close()));
  afterAll(async () => {
    await a.stop();
    a.remove();
  });
  const attached = async (name: string) => {
    const worker = await FakeWorker.enrol(token, name);
    workers.push(worker);
    worker.attach();
    await until(() => worker.agreements !== undefined);
    return worker;
  };
  const audited = async (action: string, subject = "") => {
    const { entries } = await a.member.listAudit({ subject, page: { limit: 1000, token: "" } });
    return entries.filter((entry) => entry.action === action);
  };
  const everyCall = async (worker: FakeWorker) => [
    worker.client.renewCertificate({ csr: await csr() }),
    worker.client.putMaskedWeights([{ maskId: Buffer.alloc(32), chunk: Buffer.alloc(1) }]),
    drained(worker.client.getWeights({ agreementDigest: Buffer.alloc(32) })),
    drained(worker.client.getMaskedWeights({ maskId: Buffer.alloc(32) })),
    drained(worker.client.attach(hello("another"))),
  ];
  async function* hello(name: string): AsyncIterable<fleet.AttachRequest> {
    const value = { name, endpoint: "", concurrency: 4, finished: [] };
    yield { requestId: 0n, body: { $case: "hello", value } };
  }
  const drained = async (stream: AsyncIterable<unknown>) => {
    for await (const _ of stream) continue;
  };

  it("loses its stream and is refused everything, under whatever name; others stay", async () => {
    const [stolen, good] = [await attached("worker-1"), await attached("worker-2")];
    const { workers: ids, certificatesEnd, streams } = await a.member.revokeWorker({ name: "worker-1" });
    expect({ count: ids.length, streams }).toEqual({ count: 1, streams: 1 });
    expect(certificatesEnd?.getTime()).toBeCloseTo(Date.parse(new X509Certificate(stolen.leaf).validTo), -5);
    await until(() => stolen.ended);
    for (const call of await Promise.allSettled(await everyCall(stolen)))
      expect(call).toEqual({ status: "rejected", reason: REVOKED });
    expect(good.ended).toBe(false);
    await good.client.renewCertificate({ csr: await csr() });
    const [row] = await audited("worker.revoked", "worker-1");
    expect(row).toMatchObject({ actor: "clinic-a/admin", details: JSON.stringify({ worker: ids[0] }) });
  });

  it("takes all certificates with it that were renewed from its own", async () => {
    const worker = await attached("worker-3");
    const { privateKeyPem, csrDer } = await createKeyAndCsr();
    const renewed = await worker.client.renewCertificate({ csr: Buffer.from(csrDer) });
    const later = FakeWorker.with(worker.address, renewed, privateKeyPem, "elsewhere");
    workers.push(later);
    later.attach();
    await until(() => later.agreements !== undefined);
    expect((await a.member.revokeWorker({ name: "elsewhere" })).streams).toBe(2);
    for (const one of [worker, later])
      await expect(one.client.renewCertificate({ csr: await csr() })).rejects.toEqual(REVOKED);
  });

  it("is found by its id where it never attached, and a name takes all who used it", async () => {
    const silent = await FakeWorker.enrol(token, "silent");
    workers.push(silent);
    const id = (JSON.parse((await audited("worker.enrolled")).at(-1)!.details) as { worker: string }).worker;
    expect(await a.member.revokeWorker({ name: id })).toMatchObject({ workers: [id], streams: 0 });
    await expect(silent.client.renewCertificate({ csr: await csr() })).rejects.toEqual(REVOKED);
    const twins = [await attached("twin"), await attached("twin")];
    expect((await a.member.revokeWorker({ name: "twin" })).workers).toHaveLength(2);
    await until(() => twins.every(({ ended }) => ended));
    expect((await a.member.revokeWorker({ name: "twin" })).streams).toBe(0); // once more changes nothing
    expect(await audited("worker.revoked", "twin")).toHaveLength(2);
    const unknown = expect.objectContaining({ reason: "WORKER_UNKNOWN", code: Code.NOT_FOUND });
    await expect(a.member.revokeWorker({ name: "nobody" })).rejects.toEqual(unknown);
  });

  it("stays out after a restart of the access point; whoever has a token may come in anew", async () => {
    const worker = await attached("worker-4");
    await a.member.revokeWorker({ name: "worker-4" });
    await a.stop();
    await a.start();
    await expect(worker.client.renewCertificate({ csr: await csr() })).rejects.toEqual(REVOKED);
    await attached("worker-4");
    await a.member.revokeWorkerTokens({});
    const refused = expect.objectContaining({ reason: "WORKER_TOKEN_REFUSED" });
    await expect(FakeWorker.enrol(token, "worker-4")).rejects.toEqual(refused);
  });

  it("is for administrators to put out", async () => {
    const { apiKey } = await a.member.createApiKey({ user: "ana", roles: ["scientist", "publisher", "auditor"] });
    const ana = a.as(apiKey);
    await expect(ana.revokeWorker({ name: "x" })).rejects.toEqual(expect.objectContaining({ reason: "ROLE_MISSING" }));
    ana.close();
  });

  it("may have a certificate from before these were noted", async () => {
    const worker = await attached("worker-5");
    await a.stop();
    const vault = new Vault(a.folder);
    for (const table of ["worker_names", "worker_certificates", "worker_enrolments"])
      vault.database.run(`DELETE FROM ${table}`, {});
    vault.close();
    await a.start();
    worker.attach();
    await until(() => !worker.ended);
    await until(async () => (await audited("worker.named", "worker-5")).length === 2);
    expect((await a.member.revokeWorker({ name: "worker-5" })).streams).toBe(1);
    await expect(worker.client.renewCertificate({ csr: await csr() })).rejects.toEqual(REVOKED);
  });
});

describe("a run of a worker that is revoked", () => {
  let system: Fixture;
  beforeAll(async () => {
    system = await Fixture.start();
    await system.enrolAndTrust();
  });
  afterAll(() => system.close());

  it("fails, to be tried again elsewhere; what the revoked one says of it is not taken", async () => {
    const { router, b } = system;
    const { asset } = await system.publish();
    await system.agree(asset!.id);
    router.endpoints.set("clinic-a", ["localhost:7000"]);
    const first = (await b.worker("first")).attach();
    await until(() => router.attached("clinic-b") && first.target !== undefined);
    const { job } = await submit(b.member, { assetId: asset!.id, values: new Float64Array(784) });
    const attempt = await router.order(router.jobs.get(job!.id)!);
    await until(() => first.orders.length === 1);
    expect(await b.member.revokeWorker({ name: "first" })).toMatchObject({ streams: 1 });
    const said = first.ask({ $case: "runResult", value: resultOf(first.orders[0]) }).then(
      () => "taken",
      () => "refused",
    );
    await until(() => first.ended);
    await until(() => router.reports.some(({ attemptId }) => attemptId === attempt));
    expect(router.reports.find(({ attemptId }) => attemptId === attempt)).toMatchObject({
      succeeded: false,
      retryable: true,
      error: { reason: "WORKER_LOST" },
    });
    expect(await Promise.race([said, "no answer"])).not.toBe("taken");
    const second = (await b.worker("second")).attach();
    await until(() => second.target !== undefined);
    await router.order(router.jobs.get(job!.id)!);
    await until(() => second.orders.length === 1);
    await second.ask({ $case: "runResult", value: resultOf(second.orders[0]) });
    const state = async () => (await b.member.getJob({ jobId: job!.id })).job!.job!.state;
    await until(async () => (await state()) === JobState.JOB_STATE_SUCCEEDED);
    [first, second].forEach((worker) => worker.close());
  });
});
