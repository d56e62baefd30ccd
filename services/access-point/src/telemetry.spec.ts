import { parsePlan } from "@parley/plan";
import { Code, fleet, scheduler } from "@parley/proto";
import { traceparentOf, newTrace } from "@parley/service-kit";
import { recordTelemetry } from "@parley/service-kit/testing";
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FakeWorker } from "./testing/fake-worker.js";
import { Fixture, submit, until } from "./testing/fixture.js";
import { resultOf } from "./testing/run-result.js";

const { JobState } = scheduler;
const image = Float64Array.from({ length: 784 }, (_, i) => (i % 100) / 99);

describe("telemetry of an access point", () => {
  const telemetry = recordTelemetry(); // before the access points start, as in a process
  let system: Fixture;
  let worker: FakeWorker;
  let assetId: string;
  let agreementId: string;

  const spans = (name: string, job?: string) =>
    telemetry.spans.filter((span) => span.name === name && (!job || span.attributes["parley.job.id"] === job));
  const values = async (name: Parameters<Map<string, unknown>["get"]>[0]) =>
    (
      (await telemetry.metrics()) as Map<
        string,
        { attributes: Record<string, unknown>; value: number; count: number }[]
      >
    )
      .get(name)
      ?.map(({ attributes, value, count }) => [...Object.values(attributes), value || count]);
  const begin = async () => {
    const { job } = await submit(system.b.member, { assetId, values: image });
    const attempt = await system.router.order(system.router.jobs.get(job!.id)!);
    await until(() => worker.orders.some(({ attemptId }) => attemptId === attempt));
    return { id: job!.id, order: worker.orders.find(({ attemptId }) => attemptId === attempt)! };
  };
  const ended = (id: string, state: scheduler.JobState) =>
    until(async () => (await system.b.member.getJob({ jobId: id })).job!.job!.state === state);

  beforeAll(async () => {
    system = await Fixture.start();
    await system.enrolAndTrust();
    const { asset } = await system.publish();
    assetId = asset!.id;
    expect(parsePlan(JSON.parse(asset!.plan.toString())).maxRecords).toBe(128);
    agreementId = await system.agree(assetId, 10_000n);
    system.router.endpoints.set("clinic-a", ["localhost:7000"]);
    worker = (await system.b.worker("b1")).attach();
    await until(() => worker.agreements !== undefined && system.router.attached("clinic-b"));
  });
  afterAll(async () => {
    telemetry.end();
    worker.close();
    await system.close();
  });

  it("draws a job as one trace: the call, the job, its attempt, what is asked of the router, what the worker is told", async () => {
    const { id, order } = await begin();
    await worker.ask({ $case: "runResult", value: resultOf(order) });
    await ended(id, JobState.JOB_STATE_SUCCEEDED);
    await until(() => spans("parley.job", id).length > 0);
    const [job] = spans("parley.job", id);
    const [attempt] = spans("parley.attempt", id);
    const { traceId } = job.context;
    const call = telemetry.spans.find(({ context }) => context.spanId === job.parentSpanId)!;
    expect(call).toMatchObject({
      name: "parley.member.v1.MemberService/SubmitJob",
      kind: "server",
      context: { traceId },
    });
    expect(job.attributes).toEqual({
      "parley.job.id": id,
      "parley.records": 1,
      model: assetId.slice(-8),
      outcome: "succeeded",
    });
    expect(attempt).toMatchObject({
      parentSpanId: job.context.spanId,
      context: { traceId },
      attributes: { outcome: "succeeded", "parley.runs": 1 },
    });
    expect(order.traceparent).toBe(traceparentOf(attempt.context));
    expect(
      telemetry.spans.find(
        ({ name, kind, context }) => name.endsWith("CreateJob") && kind === "client" && context.traceId === traceId,
      ),
    ).toMatchObject({ parentSpanId: job.context.spanId });
    expect(job.end - job.start).toBeGreaterThan(0);
  });

  it("counts jobs and attempts by outcome, each once", async () => {
    const before = Number((await values("parley.job.ended"))?.find(([outcome]) => outcome === "failed")?.[1] ?? 0);
    const { id, order } = await begin();
    const { attemptId, run } = order;
    const value = fleet.RunResult.fromPartial({
      attemptId,
      run,
      code: Code.INTERNAL,
      reason: "BROKEN",
      message: "it broke",
    });
    await worker.ask({ $case: "runResult", value });
    await ended(id, JobState.JOB_STATE_FAILED);
    expect(await values("parley.job.ended")).toContainEqual(["failed", before + 1]);
    expect(await values("parley.attempt.ended")).toContainEqual(["failed", "BROKEN", 1]);
    expect((await values("parley.job.duration"))?.map(([outcome]) => outcome)).toContain("failed");
    expect(spans("parley.job", id)).toMatchObject([{ failed: true, attributes: { "error.type": "BROKEN" } }]);
    expect(spans("parley.attempt", id)).toMatchObject([{ failed: true }]);
  });

  it("counts what its ledger refuses, and draws a refused bind in the trace that the peer sent", async () => {
    const own = (await system.a.worker("a1")).attach();
    await until(() => own.agreements !== undefined);
    const agreementDigest = own.agreements!.agreements[0].digest;
    const batch = { batchId: randomBytes(16), agreementDigest, records: 1, party: fleet.Party.PARTY_SERVER };
    const record = () => own.ask({ $case: "recordBatch", value: { ...batch, traceparent: "" } });
    await record();
    await expect(record()).rejects.toMatchObject({ reason: "BATCH_USED" });
    expect(await values("parley.ledger.refusals")).toEqual([["access-point", 1]]);

    const trace = newTrace();
    const { batchId, records } = batch;
    const bind = fleet.BindRun.fromPartial({ batchId, agreementDigest, records, ticket: "x", jobId: "no id" });
    bind.traceparent = traceparentOf(trace);
    await expect(own.ask({ $case: "bindRun", value: bind })).rejects.toThrow();
    expect(spans("parley.bind")).toMatchObject([
      { failed: true, parentSpanId: trace.spanId, attributes: { "parley.run": 0, "parley.records": 1 } },
    ]);
    expect(spans("parley.bind")[0].attributes).not.toHaveProperty("parley.job.id");
    own.close();
  });

  it("shows quota, certificates and the router's clock", async () => {
    expect(await values("parley.quota.limit")).toEqual([[agreementId, 10_000]]);
    expect((await values("parley.quota.used"))?.[0][0]).toBe(agreementId);
    const remaining = Object.fromEntries((await values("parley.certificate.remaining"))!) as Record<string, number>;
    expect(remaining.service).toBeGreaterThan(6 * 86_400);
    expect(remaining.authority).toBeGreaterThan(remaining.service);
  });
});
