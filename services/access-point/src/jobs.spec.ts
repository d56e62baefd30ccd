import { newId } from "@parley/agreement";
import { encodeInput, parsePlan } from "@parley/plan";
import { Code, ParleyError, fleet, scheduler, type member } from "@parley/proto";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FakeWorker } from "./testing/fake-worker.js";
import { Fixture, submit, until, type MemberClient } from "./testing/fixture.js";
import { resultOf } from "./testing/run-result.js";

const { JobState } = scheduler;
const image = (records: number) => Float64Array.from({ length: records * 784 }, (_, i) => ((i * 7919) % 1000) / 999);

async function resultWords(member: MemberClient, jobId: string): Promise<bigint[]> {
  const pieces: Buffer[] = [];
  for await (const { chunk } of member.getResult({ jobId })) pieces.push(chunk);
  const bytes = Buffer.concat(pieces);
  return Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readBigInt64LE(8 * i));
}

describe("jobs at the data owner", () => {
  let system: Fixture;
  let worker: FakeWorker;
  let assetId: string;
  let plan: ReturnType<typeof parsePlan>;
  const stateOf = async (jobId: string) => (await system.b.member.getJob({ jobId })).job!;
  const start = async (records = 1) => {
    const { job } = await submit(system.b.member, { assetId, values: image(records) });
    const attempt = await system.router.order(system.router.jobs.get(job!.id)!);
    return { id: job!.id, attempt };
  };
  const orderOf = async (attempt: string, run = 0) => {
    const find = () => worker.orders.find((order) => order.attemptId === attempt && order.run === run);
    await until(() => find() !== undefined);
    return find()!;
  };
  const reportOf = async (attempt: string) => {
    await until(() => system.router.reports.some(({ attemptId }) => attemptId === attempt));
    return system.router.reports.find(({ attemptId }) => attemptId === attempt)!;
  };

  beforeAll(async () => {
    system = await Fixture.start();
    await system.enrolAndTrust();
    const { asset } = await system.publish();
    assetId = asset!.id;
    plan = parsePlan(JSON.parse(asset!.plan.toString()));
    await system.agree(assetId, 10_000n);
    worker = await system.b.worker("b1");
    await until(() => system.router.attached("clinic-b"));
  });
  beforeEach(async () => {
    if (worker.ended || worker.agreements === undefined) worker.attach();
    await until(() => worker.agreements !== undefined && worker.target !== undefined);
  });
  afterAll(async () => {
    worker.close();
    await system.close();
  });

  it("waits until the partner has a worker, instead of wasting attempts", async () => {
    const { attempt } = await start(1);
    const job = async () => (await system.b.member.listJobs({ state: 0, page: undefined })).jobs[0];
    await until(async () => (await job()).job!.state === JobState.JOB_STATE_RUNNING);
    expect(worker.orders).toEqual([]);
    system.router.endpoints.set("clinic-a", ["localhost:7000"]);
    await worker.ask({ $case: "runResult", value: resultOf(await orderOf(attempt)) });
    expect(worker.agreements!.agreements[0].peerEndpoints).toEqual(["localhost:7000"]);
    expect((await job()).job).toMatchObject({ state: JobState.JOB_STATE_SUCCEEDED, attempts: 1 });
  });

  it("runs one: the order holds the encoded input, the result is what the worker revealed", async () => {
    const { id, attempt } = await start(1);
    const order = await orderOf(attempt);
    const expected = encodeInput(plan, image(1), 1);
    expect(order.input.equals(Buffer.from(expected.buffer))).toBe(true);
    expect(order).toMatchObject({ jobId: id, records: 1, run: 0 });
    await until(() => system.router.accepted.includes(attempt));
    expect((await stateOf(id)).job!.state).toBe(JobState.JOB_STATE_RUNNING);
    await worker.ask({ $case: "runResult", value: resultOf(order) });
    const job = await stateOf(id);
    expect(job.job).toMatchObject({ state: JobState.JOB_STATE_SUCCEEDED, attempts: 1, recordsRevealed: 1 });
    expect(job).toMatchObject({ recordsDone: 1, timings: { runs: 1, messages: 10, onlineMicros: 1000n } });
    expect(job.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(await resultWords(system.b.member, id)).toEqual(Array.from({ length: 10 }, (_, i) => BigInt(i) - 3n));
    expect(await reportOf(attempt)).toMatchObject({ succeeded: true, recordsRevealed: 1, onlineMicros: 1000n });
    expect(readdirSync(join(system.b.folder, "inputs"))).toEqual([]);
  });

  it("cuts 200 records into runs and puts their results together in order, whichever ends first", async () => {
    const { id, attempt } = await start(200);
    const sizes = [plan.maxRecords, 64, 8].filter((size) => size <= plan.maxRecords);
    expect(sizes).toEqual([128, 64, 8]);
    const orders = await Promise.all(sizes.map((_, run) => orderOf(attempt, run)));
    expect(orders.map(({ records }) => records)).toEqual(sizes);
    const all = Buffer.concat(orders.map(({ input }) => input));
    expect(all.equals(Buffer.from(encodeInput(plan, image(200), 200).buffer))).toBe(true);
    await worker.ask({ $case: "runResult", value: resultOf(orders[2], 192) });
    await until(async () => (await stateOf(id)).recordsDone === 8);
    await worker.ask({ $case: "runResult", value: resultOf(orders[0], 0) });
    await worker.ask({ $case: "runResult", value: resultOf(orders[1], 128) });
    await until(async () => (await stateOf(id)).job!.state === JobState.JOB_STATE_SUCCEEDED);
    expect(await resultWords(system.b.member, id)).toEqual(Array.from({ length: 2000 }, (_, i) => BigInt(i) - 3n));
    expect((await stateOf(id)).timings).toMatchObject({ runs: 3, onlineMicros: 3000n, messages: 30, bytesP1ToP0: 21n });
  });

  it("streams a job's states until it ends", async () => {
    const { id, attempt } = await start(1);
    const states: number[] = [];
    const watching = (async () => {
      for await (const { job } of system.b.member.watchJob({ jobId: id, withResult: false }))
        states.push(job!.job!.state);
    })();
    const order = await orderOf(attempt);
    await worker.ask({ $case: "runResult", value: resultOf(order) });
    await watching;
    expect(states.at(-1)).toBe(JobState.JOB_STATE_SUCCEEDED);
    await expect(
      (async () => {
        for await (const _ of system.b.member.watchJob({ jobId: "job_x", withResult: false }));
      })(),
    ).rejects.toMatchObject({ code: Code.NOT_FOUND, reason: "JOB_UNKNOWN" });
  });

  it("takes the records and gives the result in one call, and notes the reading with the result", async () => {
    const header = {
      name: "",
      operation: "predict",
      assetId,
      agreementId: "",
      security: "smpc",
      shape: [1, 784],
      jobId: newId("job"),
    };
    async function* messages() {
      yield { body: { $case: "header" as const, value: header } };
      yield { body: { $case: "chunk" as const, value: Buffer.from(image(1).buffer) } };
    }
    async function* wrong() {
      const value = { ...header, assetId: newId("mdl") };
      yield { body: { $case: "header" as const, value } };
      for (let i = 0; i < 5; i++) yield { body: { $case: "chunk" as const, value: Buffer.alloc(1 << 20) } };
    }
    const refused = (async () => {
      for await (const _ of system.b.member.runJob(wrong()));
    })();
    await expect(refused).rejects.toMatchObject({ code: Code.NOT_FOUND });
    const seen: member.RunJobResponse[] = [];
    const running = (async () => {
      for await (const message of system.b.member.runJob(messages())) seen.push(message);
    })();
    await until(() => system.router.jobs.has(header.jobId));
    const order = await orderOf(await system.router.order(system.router.jobs.get(header.jobId)!));
    await until(() => seen.length > 0);
    await worker.ask({ $case: "runResult", value: resultOf(order) });
    await running;
    expect(seen.at(-1)?.job?.job?.state).toBe(JobState.JOB_STATE_SUCCEEDED);
    expect(seen.at(-1)?.result).toMatchObject({ records: 1, width: 10 });
    const read = () =>
      system.b.member
        .listAudit({ subject: header.jobId, page: undefined })
        .then(({ entries }) => entries.filter(({ action }) => action === "result.read").length);
    expect(await read()).toBe(1);
    expect((await resultWords(system.b.member, header.jobId)).length).toBe(10);
    expect(await read()).toBe(2);
    // Whoever watches a job that has ended is noted as well; without the result nothing is.
    for (const withResult of [true, false]) {
      const states: member.WatchJobResponse[] = [];
      for await (const message of system.b.member.watchJob({ jobId: header.jobId, withResult })) states.push(message);
      expect(states.map(({ result }) => result !== undefined)).toEqual([withResult]);
    }
    expect(await read()).toBe(3);
  });

  it("takes a repeated submission as one job", async () => {
    const jobId = newId("job");
    const first = await submit(system.b.member, { assetId, values: image(1), jobId });
    const again = await submit(system.b.member, { assetId, values: image(1), jobId });
    expect(again.job!.id).toBe(first.job!.id);
    const other = image(1).map((value) => 1 - value);
    await expect(submit(system.b.member, { assetId, values: other, jobId })).rejects.toMatchObject({
      code: Code.ALREADY_EXISTS,
      reason: "JOB_ID_TAKEN",
    });
    await system.b.member.cancelJob({ jobId });
  });

  it("never runs a job again whose result it holds", async () => {
    const { id, attempt } = await start(1);
    await worker.ask({ $case: "runResult", value: resultOf(await orderOf(attempt)) });
    const second = await system.router.order(system.router.jobs.get(id)!);
    expect(await reportOf(second)).toMatchObject({ succeeded: true, recordsRevealed: 0 });
    expect(worker.orders.filter(({ jobId }) => jobId === id).length).toBe(1);
  });

  it("lets a newer attempt wait for the one under way, and answers it from its result", async () => {
    const { id, attempt } = await start(1);
    const order = await orderOf(attempt);
    const newer = await system.router.order(system.router.jobs.get(id)!);
    await until(() => system.router.accepted.includes(newer));
    await worker.ask({ $case: "runResult", value: resultOf(order) });
    expect(await reportOf(attempt)).toMatchObject({ succeeded: true, recordsRevealed: 1 });
    expect(await reportOf(newer)).toMatchObject({ succeeded: true, recordsRevealed: 0 });
    expect(worker.orders.filter(({ jobId }) => jobId === id).length).toBe(1);
  });

  it("fails an attempt whose run fails, stops its other runs, and runs the next one", async () => {
    const { id, attempt } = await start(72);
    const [first, second] = await Promise.all([orderOf(attempt, 0), orderOf(attempt, 1)]);
    const failure = {
      attemptId: attempt,
      code: Code.UNAVAILABLE,
      reason: "PEER_DOWN",
      message: "no answer",
      retryable: true,
    };
    await worker.ask({ $case: "runResult", value: fleet.RunResult.fromPartial({ ...failure, run: 1 }) });
    await until(() => worker.cancelled.includes(attempt));
    await worker.ask({ $case: "runResult", value: resultOf(first) }); // it had revealed before it heard
    expect(second.records).toBe(8);
    expect(await reportOf(attempt)).toMatchObject({
      succeeded: false,
      retryable: true,
      recordsRevealed: 64,
      error: { reason: "PEER_DOWN" },
    });
    expect((await stateOf(id)).job!.state).toBe(JobState.JOB_STATE_QUEUED);
    const retry = await system.router.order(system.router.jobs.get(id)!);
    for (const run of [0, 1])
      await worker.ask({ $case: "runResult", value: resultOf(await orderOf(retry, run), run * 64) });
    await until(async () => (await stateOf(id)).job!.state === JobState.JOB_STATE_SUCCEEDED);
    expect((await stateOf(id)).job).toMatchObject({ attempts: 2, recordsRevealed: 136 });
  });

  it("gives a run out again that found no place among the prepared sessions, and keeps fewer of them meanwhile", async () => {
    const { id, attempt } = await start(72);
    const [first, second] = await Promise.all([orderOf(attempt, 0), orderOf(attempt, 1)]);
    const refusal = {
      attemptId: attempt,
      run: 1,
      code: Code.RESOURCE_EXHAUSTED,
      reason: "MAX_PREPARED",
      message: "full",
    };
    worker.orders.splice(worker.orders.indexOf(second), 1);
    await worker.ask({ $case: "runResult", value: fleet.RunResult.fromPartial(refusal) });
    await until(() => worker.target?.entries.length === 0);
    await worker.ask({ $case: "runResult", value: resultOf(await orderOf(attempt, 1), 64) });
    await worker.ask({ $case: "runResult", value: resultOf(first) });
    await until(async () => (await stateOf(id)).job!.state === JobState.JOB_STATE_SUCCEEDED);
    expect((await stateOf(id)).job).toMatchObject({ attempts: 1, recordsRevealed: 72 });
    await until(() => worker.target!.entries.length > 0);
  });

  it("retries after a worker is lost", async () => {
    const { attempt } = await start(1);
    await orderOf(attempt);
    worker.detach();
    expect(await reportOf(attempt)).toMatchObject({
      succeeded: false,
      retryable: true,
      error: { reason: "WORKER_LOST" },
    });
  });

  it("takes the result of a lost worker that comes back in time", async () => {
    const { id, attempt } = await start(1);
    const order = await orderOf(attempt);
    worker.detach();
    await until(() => worker.ended);
    worker.attach({ finished: [resultOf(order)] });
    await until(async () => (await stateOf(id)).job!.state === JobState.JOB_STATE_SUCCEEDED);
    expect(await reportOf(attempt)).toMatchObject({ succeeded: true, recordsRevealed: 1 });
  });

  it("gives no more runs to a worker that stops, and takes the results of those that it runs", async () => {
    const before = await start();
    const order = await orderOf(before.attempt);
    await worker.ask({ $case: "draining", value: {} });
    const other = (await system.b.worker("b2")).attach();
    try {
      const after = await start();
      await until(() => other.orders.length > 0);
      expect(other.orders.map(({ attemptId }) => attemptId)).toEqual([after.attempt]);
      await worker.ask({ $case: "runResult", value: resultOf(order) });
      await other.ask({ $case: "runResult", value: resultOf(other.orders[0]) });
      for (const { id } of [before, after])
        await until(async () => (await stateOf(id)).job!.state === JobState.JOB_STATE_SUCCEEDED);
      // Away for a moment, and still stopping.
      worker.detach();
      await until(() => worker.ended);
      worker.attach({ concurrency: 0 });
      const last = await start();
      await until(() => other.orders.length > 1);
      await other.ask({ $case: "runResult", value: resultOf(other.orders[1]) });
      await until(async () => (await stateOf(last.id)).job!.state === JobState.JOB_STATE_SUCCEEDED);
    } finally {
      other.close();
      worker.detach();
      await until(() => worker.ended);
    }
  });

  it("loses no job when the access point restarts in an attempt, and completes it once", async () => {
    const { id, attempt } = await start(1);
    const order = await orderOf(attempt);
    const before = worker.orders.length;
    await system.b.stop();
    await until(() => worker.ended);
    await system.b.start();
    expect((await stateOf(id)).job!.state).toBe(JobState.JOB_STATE_RUNNING);
    await until(() => system.router.attached("clinic-b"));
    // The scheduler saw the stream break and starts another attempt; the worker comes back with the result of the first.
    const second = await system.router.order(system.router.jobs.get(id)!);
    worker.attach({ finished: [resultOf(order)] });
    expect(await reportOf(second)).toMatchObject({ succeeded: true, recordsRevealed: 0 });
    expect(await reportOf(attempt)).toMatchObject({ succeeded: true, recordsRevealed: 1 });
    expect(worker.orders.length).toBe(before);
    expect((await resultWords(system.b.member, id)).length).toBe(10);
  });

  it("reports what ended while no stream was up", async () => {
    const { id, attempt } = await start(1);
    const order = await orderOf(attempt);
    system.router.dropStream("clinic-b");
    await worker.ask({ $case: "runResult", value: resultOf(order) });
    expect(await reportOf(attempt)).toMatchObject({ jobId: id, succeeded: true });
  });

  it("cancels: runs are stopped, the scheduler is told, an ended job stays as it is", async () => {
    const { id, attempt } = await start(1);
    await orderOf(attempt);
    const { job } = await system.b.member.cancelJob({ jobId: id });
    expect(job!.job!.state).toBe(JobState.JOB_STATE_CANCELLED);
    await until(() => worker.cancelled.includes(attempt));
    expect(system.router.jobStates.get(id)).toBe(JobState.JOB_STATE_CANCELLED);
    const failure = { attemptId: attempt, run: 0, code: Code.CANCELLED, reason: "CANCELLED", message: "stopped" };
    await worker.ask({ $case: "runResult", value: fleet.RunResult.fromPartial(failure) });
    expect(await reportOf(attempt)).toMatchObject({ succeeded: false });
    expect((await stateOf(id)).job!.state).toBe(JobState.JOB_STATE_CANCELLED);
    await expect(resultWords(system.b.member, id)).rejects.toMatchObject({ reason: "NO_RESULT" });
  });

  it("learns from the scheduler that a job was given up", async () => {
    const { job } = await submit(system.b.member, { assetId, values: image(1) });
    system.router.jobStates.set(job!.id, JobState.JOB_STATE_FAILED);
    await until(async () => (await stateOf(job!.id)).job!.state === JobState.JOB_STATE_FAILED);
    expect((await stateOf(job!.id)).job!.error).toMatchObject({ reason: "GIVEN_UP" });
  });

  it("forgets a job that the scheduler refuses, and keeps one that it did not answer on", async () => {
    const { router, b } = system;
    const jobId = newId("job");
    router.refuseJobs = new ParleyError(Code.RESOURCE_EXHAUSTED, "QUOTA_USED_UP", "no records left");
    await expect(submit(b.member, { assetId, values: image(1), jobId })).rejects.toMatchObject({
      code: Code.RESOURCE_EXHAUSTED,
      reason: "QUOTA_USED_UP",
    });
    await expect(b.member.getJob({ jobId })).rejects.toMatchObject({ code: Code.NOT_FOUND });
    router.refuseJobs = new ParleyError(Code.UNAVAILABLE, "QUEUE_UNAVAILABLE", "the queue is down");
    await expect(submit(b.member, { assetId, values: image(1), jobId })).rejects.toMatchObject({
      code: Code.UNAVAILABLE,
      hint: expect.stringContaining(`parley job watch ${jobId}`),
    });
    router.refuseJobs = undefined; // the stream stays: the job is told again by itself
    await until(() => router.jobs.has(jobId));
    expect((await stateOf(jobId)).job!.state).toBe(JobState.JOB_STATE_QUEUED);
    await b.member.cancelJob({ jobId });
  });

  it("tells the scheduler again where it is away for a moment", async () => {
    const { router, b } = system;
    const jobId = newId("job");
    router.refuseJobs = new ParleyError(Code.UNAVAILABLE, "DRAINING", "this replica goes");
    const submitted = submit(b.member, { assetId, values: image(1), jobId });
    await until(async () => (await b.member.listJobs({ state: 0, page: undefined })).jobs[0]?.job?.id === jobId);
    router.refuseJobs = undefined;
    expect((await submitted).job?.id).toBe(jobId);
    expect(router.jobs.has(jobId)).toBe(true);
    await b.member.cancelJob({ jobId });
  });

  it("gives a run out again that could not be prepared because the dealer or the partner is away, within one attempt", async () => {
    const { id, attempt } = await start();
    for (const reason of ["DEALER_UNREACHABLE", "PEER_UNREACHABLE", "TOO_MANY_BATCHES"]) {
      const seen = worker.orders.length;
      const failure = { code: Code.UNAVAILABLE, reason, message: "away", retryable: true, revealed: false };
      await worker.ask({
        $case: "runResult",
        value: { ...resultOf(await orderOf(attempt)), ...failure, output: Buffer.alloc(0) },
      });
      await until(() => worker.orders.length > seen);
    }
    await worker.ask({ $case: "runResult", value: resultOf(worker.orders.at(-1)!) });
    await until(async () => (await stateOf(id)).job!.state === JobState.JOB_STATE_SUCCEEDED);
    expect((await stateOf(id)).job!.attempts).toBe(1);
  });

  it("keeps sessions prepared: one from the start, more of what is asked for, one place free", async () => {
    const sizes = (target: fleet.StockTarget | undefined) =>
      (target?.entries ?? []).map(({ records, sessions }) => [records, sessions]);
    for (const records of [8, 128]) {
      const { attempt } = await start(records);
      await worker.ask({ $case: "runResult", value: resultOf(await orderOf(attempt)) });
    }
    await until(() => sizes(worker.target).some(([records, sessions]) => records === 8 && sessions === 1));
    const total = sizes(worker.target).reduce((sum, [, sessions]) => sum + sessions, 0);
    expect(total).toBe(3);
    expect(sizes(worker.target).map(([records]) => records)).not.toContain(128);
  });

  it("pins D's digest once, and stores only what has it", async () => {
    const [active] = worker.agreements!.agreements;
    const content = randomBytes(1000);
    const { createHash } = await import("node:crypto");
    const pin = {
      agreementDigest: active.digest,
      maskId: randomBytes(32),
      maskNonce: randomBytes(16),
      maskedWeightsDigest: createHash("sha256").update(content).digest(),
    };
    const put = (chunk: Buffer) =>
      worker.client.putMaskedWeights([
        { maskId: pin.maskId, chunk: chunk.subarray(0, 100) },
        { maskId: Buffer.alloc(0), chunk: chunk.subarray(100) },
      ]);
    await expect(put(content)).rejects.toMatchObject({ reason: "MASK_NOT_PINNED" });
    await worker.ask({ $case: "pinMask", value: pin });
    await worker.ask({ $case: "pinMask", value: pin });
    await expect(
      worker.ask({ $case: "pinMask", value: { ...pin, maskedWeightsDigest: randomBytes(32) } }),
    ).rejects.toMatchObject({ code: Code.FAILED_PRECONDITION, reason: "MASK_DIFFERS" });
    await expect(put(randomBytes(1000))).rejects.toMatchObject({ reason: "MASK_DIFFERS" });
    const read = async () => {
      const pieces: Buffer[] = [];
      for await (const { chunk } of worker.client.getMaskedWeights({ maskId: pin.maskId })) pieces.push(chunk);
      return Buffer.concat(pieces);
    };
    await expect(read()).rejects.toMatchObject({ code: Code.NOT_FOUND });
    await put(content);
    expect((await read()).equals(content)).toBe(true);
    await until(() => worker.agreements!.agreements[0].maskId.equals(pin.maskId));
  });
});
