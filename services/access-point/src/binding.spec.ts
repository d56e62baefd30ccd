import {
  generateSigningKey,
  newId,
  pinnedKeys,
  verifyAgreement,
  verifyStatement,
  type TicketClaims,
} from "@parley/agreement";
import { Code, fleet, type agreements } from "@parley/proto";
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FakeWorker } from "./testing/fake-worker.js";
import { Fixture, until } from "./testing/fixture.js";

const { PARTY_SERVER, PARTY_CLIENT } = fleet.Party;

describe("runs at the model owner", () => {
  let system: Fixture;
  let worker: FakeWorker;
  let agreement: agreements.Agreement;
  let assetId: string;
  beforeAll(async () => {
    system = await Fixture.start();
    await system.enrolAndTrust();
    assetId = (await system.publish()).asset!.id;
    const id = await system.agree(assetId, 10n);
    agreement = system.router.agreements.get(id)!;
    worker = (await system.a.worker("a1")).attach({ endpoint: "localhost:7000" });
    await until(() => worker.agreements?.agreements.length === 1);
  });
  afterAll(async () => {
    worker.close();
    await system.close();
  });

  const job = (records: number) => ({
    jobId: newId("job"),
    name: "",
    operation: "predict",
    assetId,
    agreementId: agreement.id,
    records,
    maxRecords: 128,
    org: "clinic-b",
  });
  async function prepared(records: number, by = worker): Promise<Buffer> {
    const batchId = randomBytes(16);
    const value = { batchId, agreementDigest: agreement.digest, records, party: PARTY_SERVER, traceparent: "" };
    await by.ask({ $case: "recordBatch", value });
    return batchId;
  }
  async function bindRequest(records: number, change: Partial<TicketClaims> = {}, key = system.router.ticketKey) {
    const made = job(records);
    const attemptId = newId("att");
    return {
      ticket: await system.router.ticket(made, attemptId, change, key),
      agreementDigest: agreement.digest,
      batchId: await prepared(records),
      jobId: made.jobId,
      attemptId,
      run: 0,
      records,
      peerCertificate: randomBytes(32),
      traceparent: "",
    };
  }
  const bind = (value: fleet.BindRun) => worker.ask({ $case: "bindRun", value });
  const end = (value: fleet.BindRun, revealed: boolean) =>
    worker.ask({
      $case: "runEnded",
      value: { ...value, revealed, bytesReceived: 1n, bytesSent: 2n },
    });

  it("record a batch once, whichever worker asks, also after a restart", async () => {
    const batchId = await prepared(1);
    const value = { batchId, agreementDigest: agreement.digest, records: 1, party: PARTY_SERVER, traceparent: "" };
    const used = { code: Code.ALREADY_EXISTS, reason: "BATCH_USED" };
    await expect(worker.ask({ $case: "recordBatch", value })).rejects.toMatchObject(used);
    const other = (await system.a.worker("a2")).attach();
    await expect(other.ask({ $case: "recordBatch", value })).rejects.toMatchObject(used);
    await expect(
      worker.ask({ $case: "recordBatch", value: { ...value, batchId: randomBytes(16), party: PARTY_CLIENT } }),
    ).rejects.toMatchObject({ reason: "PARTY" });
    await expect(
      worker.ask({
        $case: "recordBatch",
        value: { ...value, batchId: randomBytes(16), agreementDigest: randomBytes(32) },
      }),
    ).rejects.toMatchObject({ reason: "AGREEMENT_NOT_ACTIVE" });
    other.close();
    await system.a.stop();
    await until(() => worker.ended);
    await system.a.start();
    worker.agreements = undefined;
    worker.attach({ endpoint: "localhost:7000" });
    await until(() => worker.agreements?.agreements.length === 1);
    await expect(worker.ask({ $case: "recordBatch", value })).rejects.toMatchObject(used);
  });

  it("bind with a ticket of the scheduler that fits the agreement, and with nothing else", async () => {
    const forged = { kid: "t1", privateKey: generateSigningKey().privateKeyPem };
    const invalid = { code: Code.FAILED_PRECONDITION, reason: "ATTEMPT_TICKET_INVALID" };
    await expect(bind(await bindRequest(1, {}, forged))).rejects.toMatchObject(invalid);
    const past = Math.floor(Date.now() / 1000) - 400;
    await expect(bind(await bindRequest(1, { iat: past, exp: past + 300 }))).rejects.toMatchObject(invalid);
    await expect(bind({ ...(await bindRequest(1)), ticket: "x" })).rejects.toMatchObject(invalid);
    const differs = { code: Code.FAILED_PRECONDITION, reason: "TICKET_DIFFERS" };
    const stranger: Partial<TicketClaims> = { aud: ["clinic-a", "clinic-c"], org1: "clinic-c" };
    for (const change of [
      { agreement: "ab".repeat(32) },
      { planDigest: "ab".repeat(32) },
      { job: newId("job") },
      { jti: newId("att") },
      { runs: [2] },
      { runs: [1, 1] },
      stranger,
    ])
      await expect(bind(await bindRequest(1, change))).rejects.toMatchObject(differs);
    await expect(bind({ ...(await bindRequest(1)), run: 1 })).rejects.toMatchObject(differs);
    await expect(bind({ ...(await bindRequest(1)), batchId: randomBytes(16) })).rejects.toMatchObject({
      reason: "BATCH_NOT_PREPARED",
    });
    expect(system.router.runReports).toEqual([]);
  });

  it("bind each run once and each batch once, count quota durably, and report under the own key", async () => {
    const first = await bindRequest(4);
    await bind(first);
    await expect(bind({ ...first, batchId: await prepared(4) })).rejects.toMatchObject({ reason: "RUN_BOUND" });
    const second = await bindRequest(4);
    await expect(bind({ ...second, batchId: first.batchId })).rejects.toMatchObject({ reason: "RUN_BOUND" });
    await bind(second);
    const third = await bindRequest(4);
    await expect(bind(third)).rejects.toMatchObject({
      code: Code.RESOURCE_EXHAUSTED,
      reason: "QUOTA_USED_UP",
      message: expect.stringContaining("2 of 10"),
    });
    await end(first, true);
    await end(second, false); // the last message did not leave: these four return
    await expect(end({ ...second, batchId: randomBytes(16) }, false)).rejects.toMatchObject({
      reason: "RUN_NOT_BOUND",
    });
    await end(second, false);
    await bind(third);
    await end(third, true);
    await until(() => system.router.runReports.length === 3);
    const key = pinnedKeys(verifyAgreement(agreement.jws).terms.modelOwner).signingKey;
    const reports = system.router.runReports.map((report) => verifyStatement("run-report", report, key).body);
    expect(reports.map(({ attempt, revealed, records }) => [attempt, revealed, records])).toEqual([
      [first.attemptId, true, 4],
      [second.attemptId, false, 4],
      [third.attemptId, true, 4],
    ]);
    await expect(bind(await bindRequest(4))).rejects.toMatchObject({ reason: "QUOTA_USED_UP" });
  });

  it("open no more prepared sessions than the agreement allows, over all workers", async () => {
    const open = (by: FakeWorker, session: bigint) =>
      by.ask({ $case: "openSession", value: { agreementDigest: agreement.digest, session } });
    const other = (await system.a.worker("a2")).attach();
    await open(worker, 1n);
    await open(worker, 2n);
    await open(other, 1n);
    await open(other, 2n);
    await expect(open(worker, 3n)).rejects.toMatchObject({ code: Code.RESOURCE_EXHAUSTED, reason: "MAX_PREPARED" });
    await worker.ask({ $case: "closeSession", value: { session: 1n } });
    await open(worker, 3n);
    await expect(open(other, 3n)).rejects.toMatchObject({ reason: "MAX_PREPARED" });
    worker.orders.length = 0;
    other.close(); // a lost worker's sessions count no more
    await until(() =>
      open(worker, 4n).then(
        () => true,
        () => false,
      ),
    );
  });

  it("stop at a revocation: pushed at once, nothing binds or prepares afterwards", async () => {
    const request = await bindRequest(2);
    await system.a.member.revokeAgreement({ agreementId: agreement.id, reason: "enough" });
    await until(() => worker.agreements!.agreements.length === 0);
    for (const refused of [bind(request), prepared(1)])
      await expect(refused).rejects.toMatchObject({ code: Code.FAILED_PRECONDITION, reason: "AGREEMENT_NOT_ACTIVE" });
    // A router that calls it active again changes nothing.
    system.router.tell(agreement, "clinic-a", "clinic-b");
    const sure = await system.agree(assetId, 1n);
    await until(() => worker.agreements!.agreements.length === 1);
    expect(verifyAgreement(worker.agreements!.agreements[0].jws).terms.id).toBe(sure);
  });

  it("end by its date without a word from anybody", async () => {
    const { agreement: offered } = await system.a.member.offerAgreement({
      assetId,
      organisationId: "clinic-b",
      records: 1n,
      expires: new Date(Date.now() + 2_000),
      output: "",
      purpose: "short",
      maxPrepared: 1,
    });
    await system.b.member.acceptAgreement({ agreementId: offered!.id });
    const has = () => worker.agreements!.agreements.some(({ digest }) => digest.equals(offered!.digest));
    await until(has);
    await until(() => !has());
  });

  it("bound the batches that a data owner's worker can name in a minute, under that agreement alone", async () => {
    const held = new Set(worker.agreements?.agreements.map(({ digest }) => digest.toString("hex")));
    const ids = [await system.agree(assetId, 10n), await system.agree(assetId, 10n)];
    await until(() => worker.agreements?.agreements.length === held.size + 2);
    const [busy, calm] = ids.map((id) => verifyAgreement(system.router.agreements.get(id)!.jws));
    const name = ({ digest }: typeof busy) =>
      worker.ask({
        $case: "recordBatch",
        value: {
          batchId: randomBytes(16),
          agreementDigest: Buffer.from(digest),
          records: 1,
          party: PARTY_SERVER,
          traceparent: "",
        },
      });
    await Promise.all(Array.from({ length: 600 * busy.terms.maxPrepared }, () => name(busy)));
    await expect(name(busy)).rejects.toMatchObject({ reason: "SESSION_RATE" });
    await name(calm);
  }, 60_000);
});
