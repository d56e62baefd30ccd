import { newId, verifyTicket } from "@parley/agreement";
import { Code, ParleyError, scheduler } from "@parley/proto";
import { continueTrace, newTrace, withTrace, type RunningService } from "@parley/service-kit";
import {
  DATABASE_KINDS,
  hasPostgres,
  recordTelemetry,
  testDatabase,
  type TestDatabase,
} from "@parley/service-kit/testing";
import { Redis } from "ioredis";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { readConfig } from "./config.js";
import { startScheduler } from "./service.js";
import { TestStream, reportOf } from "./testing/test-access-point.js";
import { TestAgreements } from "./testing/test-agreements.js";
import { TestRedis, findRedisServer } from "./testing/redis-server.js";
import { TestRouter, type SchedulerClient } from "./testing/test-router.js";

const { JobState } = scheduler;
const redisServer = findRedisServer();
const postgres = await hasPostgres();

const refusal = (call: Promise<unknown>) =>
  call.then(
    () => "no error",
    (error: ParleyError) => `${Code[error.code]} ${error.reason}`,
  );
const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 30_000, interval: 25 });

describe.skipIf(!redisServer).each(DATABASE_KINDS)("scheduler on %s", (kind) => {
  describe.skipIf(kind === "postgresql" && !postgres)("with a real Redis, over real sockets", () => {
    let database: TestDatabase;
    let redis: TestRedis;
    let router: TestRouter;
    let agreements: TestAgreements;
    let stopAgreements: () => Promise<() => Promise<void>>;
    let environment: Record<string, string>;
    let service: RunningService;
    let [b, c] = [] as SchedulerClient[];
    const streams: TestStream[] = [];

    beforeAll(async () => {
      database = (await testDatabase(kind))!;
      redis = await TestRedis.start(redisServer!);
      router = await TestRouter.start(["clinic-a", "clinic-b", "clinic-c"]);
      agreements = new TestAgreements("clinic-a", "clinic-b");
      const identity = await router.serve("identity", router.identity());
      let served = await router.serve("agreements", agreements.binding());
      stopAgreements = async () => {
        await served.server.close(0);
        return async () => {
          served = await router.serve("agreements", agreements.binding(), served.address);
        };
      };
      environment = {
        ...(await router.environment()),
        PARLEY_DATA_DIR: database.dataDir,
        PARLEY_IDENTITY_ADDRESS: identity.address,
        PARLEY_AGREEMENTS_ADDRESS: served.address,
        REDIS_URL: redis.url,
        PARLEY_SWEEP_MS: "100",
        PARLEY_MAX_ATTEMPTS: "3",
        ...(database.url && { DATABASE_URL: database.url }),
      };
      service = await startScheduler(readConfig(environment), router.logger);
      [b, c] = await clientsOf(service);
    });
    afterEach(() => streams.splice(0).forEach((stream) => stream.break()));
    afterAll(async () => {
      await service.close();
      await router.close();
      await redis.remove();
      await database.remove();
    });

    async function clientsOf(running: RunningService): Promise<SchedulerClient[]> {
      const clients = await Promise.all(
        router.parties.slice(1).map((party) => router.client(running.addresses.mtls, party)),
      );
      // The directory follows identity by a stream; a call that is admitted shows that it has arrived.
      for (const client of clients) await until(async () => expect(await refusal(client.getKeys({}))).toBe("no error"));
      return clients;
    }
    const restartWith = async (change: Record<string, string>) => {
      service = await startScheduler(readConfig({ ...environment, ...change }), router.logger);
      [b, c] = await clientsOf(service);
    };
    const attach = async (client = b, hello: ConstructorParameters<typeof TestStream>[1] = {}) => {
      const stream = new TestStream(client, hello);
      streams.push(stream);
      await until(() => expect(stream.ready).toBe(true));
      return stream;
    };
    /** A stream that is only listened to. */
    const follow = async (client: SchedulerClient) => {
      const hello = { concurrency: 4, finished: [] };
      const requests = (async function* () {
        yield { body: { $case: "hello" as const, value: hello } };
        await sleep(60_000, undefined, { ref: false });
      })();
      for await (const _ of client.attach(requests)) continue;
    };
    const wish = (change: Partial<scheduler.CreateJobRequest> = {}): scheduler.CreateJobRequest => ({
      jobId: newId("job"),
      name: "ward 3",
      operation: "predict",
      assetId: agreements.terms.asset.id,
      agreementId: agreements.terms.id,
      records: 200,
      maxRecords: 128,
      ...change,
    });
    const create = async (change: Partial<scheduler.CreateJobRequest> = {}) => {
      const request = wish(change);
      await b.createJob(request);
      return request.jobId;
    };
    const job = async (jobId: string, client = b) => (await client.getJob({ jobId })).job!;
    const inState = (jobId: string, state: scheduler.JobState, client = b) =>
      until(async () => {
        const found = await job(jobId, client);
        expect(JobState[found.state]).toBe(JobState[state]);
        return found;
      });
    const orderOf = (stream: TestStream, jobId: string, number = 1) =>
      until(() => {
        const orders = stream.orders.filter((order) => order.jobId === jobId);
        expect(orders.length).toBe(number);
        return orders[number - 1];
      });

    it("draws a job's reservation and wait in its trace, and counts its end and that of its attempt", async () => {
      const telemetry = recordTelemetry();
      try {
        const stream = await attach();
        const trace = newTrace();
        const jobId = await withTrace(trace, () => create());
        const order = await orderOf(stream, jobId);
        const waits = async () => (await telemetry.metrics()).get("parley.queue.depth");
        expect((await waits())?.map(({ attributes, value }) => [attributes.organisation, value])).toContainEqual([
          "clinic-b",
          0,
        ]);
        stream.report(order);
        await inState(jobId, JobState.JOB_STATE_SUCCEEDED);
        const named = (name: string) => telemetry.spans.filter((span) => span.name === name);
        const created = named("parley.scheduler.v1.SchedulerService/CreateJob").find(({ kind }) => kind === "server")!;
        const { traceId, spanId } = created.context;
        expect(traceId).toBe(trace.traceId);
        expect(named("parley.reserve")).toMatchObject([{ parentSpanId: spanId, context: { traceId } }]);
        expect(named("parley.queue")).toMatchObject([
          {
            parentSpanId: spanId,
            context: { traceId },
            attributes: { "parley.job.id": jobId, "parley.attempt.id": order.attemptId, organisation: "clinic-b" },
          },
        ]);
        expect(named("scheduler-create")).toMatchObject([{ context: { traceId }, kind: "client" }]);
        const metrics = await telemetry.metrics();
        expect(metrics.get("parley.job.ended")).toMatchObject([{ value: 1, attributes: { outcome: "succeeded" } }]);
        expect(metrics.get("parley.attempt.ended")).toMatchObject([
          { value: 1, attributes: { outcome: "succeeded", reason: "" } },
        ]);
      } finally {
        telemetry.end();
      }
    });

    it("runs a job: ticket, report, result, audit, release", async () => {
      const stream = await attach();
      const trace = continueTrace(undefined);
      const jobId = await withTrace(trace, () => create());
      const order = await orderOf(stream, jobId);
      const { jwks } = await b.getKeys({});
      const claims = verifyTicket(order.ticket, jwks, { audience: "clinic-a" });
      expect(claims).toMatchObject({
        aud: ["clinic-a", "clinic-b"],
        org0: "clinic-a",
        org1: "clinic-b",
        job: jobId,
        jti: order.attemptId,
        agreement: agreements.digest,
        planDigest: agreements.terms.asset.planDigest,
        runs: [128, 64, 8],
      });
      expect(claims.exp - claims.iat).toBe(300);
      expect(order.traceparent.split("-")[1]).toBe(trace.traceId);
      expect(await job(jobId)).toMatchObject({ state: JobState.JOB_STATE_RUNNING, attempts: 1 });
      stream.report(order, { recordsRevealed: 200 });
      const done = await inState(jobId, JobState.JOB_STATE_SUCCEEDED);
      expect(done).toMatchObject({ attempts: 1, recordsRevealed: 200, error: undefined });
      await until(() => expect(stream.recorded).toEqual([order.attemptId]));
      await until(() =>
        expect(agreements.actions(jobId)).toEqual([
          "job.created",
          "attempt.started",
          "attempt.succeeded",
          "job.succeeded",
        ]),
      );
      const [created] = agreements.audit.filter(({ subject }) => subject === jobId);
      expect(created).toMatchObject({ traceId: trace.traceId, organisations: ["clinic-b", "clinic-a"] });
      await until(() => expect(agreements.released.filter((release) => release.jobId === jobId).length).toBe(1));
      const release = agreements.released.find((told) => told.jobId === jobId)!;
      expect(release).toMatchObject({ agreementId: agreements.terms.id, ticketsGiven: 1 });
      expect(release.lastTicketExpires?.getTime()).toBe(claims.exp * 1000);
    });

    it("creates a job once, whatever is sent again", async () => {
      const request = wish();
      const jobs = await Promise.all([1, 2, 3].map(() => b.createJob(request)));
      expect(new Set(jobs.map(({ job: made }) => made?.id))).toEqual(new Set([request.jobId]));
      expect(await refusal(b.createJob({ ...request, records: 1 }))).toBe("ALREADY_EXISTS JOB_EXISTS");
      expect(await refusal(c.createJob(request))).toBe("ALREADY_EXISTS JOB_EXISTS");
      expect(await refusal(c.getJob({ jobId: request.jobId }))).toBe("NOT_FOUND JOB_NOT_FOUND");
      expect((await c.listJobs({ state: 0, page: undefined })).jobs).toEqual([]);
      const stream = await attach();
      const order = await orderOf(stream, request.jobId);
      stream.report(order);
      await inState(request.jobId, JobState.JOB_STATE_SUCCEEDED);
      expect((await b.createJob(request)).job?.state).toBe(JobState.JOB_STATE_SUCCEEDED);
    });

    it.each([
      ["an id that is none", { jobId: "1" }, "JOB_ID_INVALID"],
      ["no records", { records: 0 }, "RECORDS_INVALID"],
      ["a run size that is no power of two", { maxRecords: 100 }, "RECORDS_INVALID"],
      ["no run size", { maxRecords: 0 }, "RECORDS_INVALID"],
      ["too many runs", { records: 5000, maxRecords: 1 }, "TOO_MANY_RECORDS"],
      ["another operation", { operation: "train" }, "OPERATION_UNKNOWN"],
    ])("refuses %s", async (_what, change, reason) => {
      expect(await refusal(b.createJob(wish(change)))).toBe(`INVALID_ARGUMENT ${reason}`);
    });

    it("passes on what agreements refuse, and takes the same id afterwards", async () => {
      expect(await refusal(b.createJob(wish({ agreementId: newId("agr") })))).toBe("NOT_FOUND AGREEMENT_NOT_FOUND");
      const request = wish();
      agreements.quota = 0;
      expect(await refusal(b.createJob(request))).toBe("RESOURCE_EXHAUSTED QUOTA_EXHAUSTED");
      expect(await refusal(b.getJob({ jobId: request.jobId }))).toBe("NOT_FOUND JOB_NOT_FOUND");
      agreements.quota = 1_000_000;
      await b.createJob(request);
      await b.cancelJob({ jobId: request.jobId });
    });

    it("takes no job while agreements are away, and the same id when they are back", async () => {
      const restart = await stopAgreements();
      const request = wish();
      expect(await refusal(b.createJob(request))).toMatch(/^UNAVAILABLE/);
      await restart();
      await until(async () => expect(await refusal(b.createJob(request))).toBe("no error"));
      await b.cancelJob({ jobId: request.jobId });
    });

    it("retries what may succeed, with a new attempt, and gives up after the last", async () => {
      const stream = await attach();
      const jobId = await create();
      const error = {
        code: Code.UNAVAILABLE,
        reason: "PEER_DOWN",
        message: "worker of clinic-a not reached",
        hint: "",
      };
      for (let number = 1; number <= 3; number++) {
        const order = await orderOf(stream, jobId, number);
        stream.report(order, { succeeded: false, retryable: true, error, recordsRevealed: 8 });
      }
      const failed = await inState(jobId, JobState.JOB_STATE_FAILED);
      expect(failed).toMatchObject({ attempts: 3, recordsRevealed: 24, error });
      expect(new Set(stream.orders.map(({ attemptId }) => attemptId)).size).toBe(stream.orders.length);
      await until(() => expect(agreements.released.find((told) => told.jobId === jobId)?.ticketsGiven).toBe(3));
    });

    it("succeeds on a retry", async () => {
      const stream = await attach();
      const jobId = await create();
      stream.report(await orderOf(stream, jobId), { succeeded: false, retryable: true });
      stream.report(await orderOf(stream, jobId, 2), { recordsRevealed: 200 });
      expect(await inState(jobId, JobState.JOB_STATE_SUCCEEDED)).toMatchObject({ attempts: 2, error: undefined });
    });

    it("fails at once what no retry can help", async () => {
      const stream = await attach();
      const jobId = await create();
      const error = {
        code: Code.FAILED_PRECONDITION,
        reason: "PLAN_DIFFERS",
        message: "plan differs",
        hint: "publish",
      };
      stream.report(await orderOf(stream, jobId), { succeeded: false, retryable: false, error });
      expect(await inState(jobId, JobState.JOB_STATE_FAILED)).toMatchObject({ attempts: 1, error });
    });

    it("gives the attempt of a broken stream to the next stream", async () => {
      const first = await attach();
      const jobId = await create();
      const lost = await orderOf(first, jobId);
      first.break();
      const second = await attach();
      const order = await orderOf(second, jobId);
      expect(order.attemptId).not.toBe(lost.attemptId);
      second.report(order);
      expect(await inState(jobId, JobState.JOB_STATE_SUCCEEDED)).toMatchObject({ attempts: 2 });
    });

    it("never runs a job again whose result the access point holds", async () => {
      const first = await attach();
      const jobId = await create();
      const order = await orderOf(first, jobId);
      first.break();
      const second = await attach(b, { finished: [reportOf(order, { recordsRevealed: 200 })] });
      expect(await inState(jobId, JobState.JOB_STATE_SUCCEEDED)).toMatchObject({ attempts: 1, recordsRevealed: 200 });
      expect(second.recorded).toEqual([order.attemptId]);
      const next = await create();
      second.report(await orderOf(second, next));
      await inState(next, JobState.JOB_STATE_SUCCEEDED);
      expect(second.orders.map((o) => o.jobId)).toEqual([next]);
    });

    it("takes the late success of a lost attempt, and stops the one that replaced it", async () => {
      const first = await attach();
      const jobId = await create();
      const lost = await orderOf(first, jobId);
      first.break();
      const second = await attach();
      const order = await orderOf(second, jobId);
      second.report(lost, { recordsRevealed: 200 });
      expect(await inState(jobId, JobState.JOB_STATE_SUCCEEDED)).toMatchObject({ recordsRevealed: 200 });
      await until(() => expect(second.cancelled).toEqual([order.attemptId]));
      second.report(order, { succeeded: false, retryable: true, recordsRevealed: 8 });
      await until(() => expect(second.recorded).toEqual([lost.attemptId, order.attemptId]));
      expect(await job(jobId)).toMatchObject({ state: JobState.JOB_STATE_SUCCEEDED, recordsRevealed: 208 });
    });

    it("counts a report once", async () => {
      const stream = await attach();
      const jobId = await create();
      const order = await orderOf(stream, jobId);
      stream.report(order, { recordsRevealed: 200 });
      stream.report(order, { recordsRevealed: 200 });
      await until(() => expect(stream.recorded.length).toBe(2));
      expect(await job(jobId)).toMatchObject({ state: JobState.JOB_STATE_SUCCEEDED, recordsRevealed: 200 });
    });

    it("ends the older stream when a newer comes", async () => {
      const first = await attach();
      const jobId = await create();
      await orderOf(first, jobId);
      const second = await attach();
      await until(() => expect(first.ended).toBe("STREAM_SUPERSEDED"));
      second.report(await orderOf(second, jobId));
      await inState(jobId, JobState.JOB_STATE_SUCCEEDED);
    });

    it("runs as many at once as the access point offers", async () => {
      const stream = await attach(b, { concurrency: 2 });
      const ids = await Promise.all(Array.from({ length: 5 }, () => create()));
      for (let done = 0; done < ids.length; done++) {
        const running = Math.min(2, ids.length - done);
        await until(() => expect(stream.orders.length).toBe(done + running));
        await sleep(50);
        expect(stream.orders.length).toBe(done + running);
        stream.report(stream.orders[done]);
      }
      for (const id of ids) await inState(id, JobState.JOB_STATE_SUCCEEDED);
    });

    it("cancels a waiting job and a running one, and leaves an ended one as it is", async () => {
      const waiting = await create();
      expect((await b.cancelJob({ jobId: waiting })).job?.state).toBe(JobState.JOB_STATE_CANCELLED);
      const stream = await attach();
      const running = await create();
      const order = await orderOf(stream, running);
      expect(await refusal(c.cancelJob({ jobId: running }))).toBe("NOT_FOUND JOB_NOT_FOUND");
      expect((await b.cancelJob({ jobId: running })).job?.state).toBe(JobState.JOB_STATE_CANCELLED);
      await until(() => expect(stream.cancelled).toEqual([order.attemptId]));
      stream.report(order, { recordsRevealed: 8 });
      await until(() => expect(stream.recorded).toEqual([order.attemptId]));
      expect(await job(running)).toMatchObject({ state: JobState.JOB_STATE_CANCELLED, recordsRevealed: 8 });
      expect((await b.cancelJob({ jobId: running })).job?.state).toBe(JobState.JOB_STATE_CANCELLED);
      expect(stream.orders.map(({ jobId }) => jobId)).toEqual([running]);
      const page = await b.listJobs({ state: JobState.JOB_STATE_CANCELLED, page: { limit: 2, token: "" } });
      expect(page.jobs.map(({ id }) => id)).toEqual([running, waiting].sort().reverse());
    });

    it("sends no new attempts to an access point that stops, and takes its last reports", async () => {
      const first = await attach();
      const before = await create();
      const order = await orderOf(first, before);
      first.send({ body: { $case: "draining", value: {} } });
      await until(async () => {
        const jobId = await create(); // the first that is created after the word has arrived waits
        expect(first.orders.some((sent) => sent.jobId === jobId)).toBe(false);
      });
      const waiting = await create();
      first.report(order);
      await inState(before, JobState.JOB_STATE_SUCCEEDED);
      expect((await job(waiting)).state).toBe(JobState.JOB_STATE_QUEUED);
      const orders = first.orders.length;
      const second = await attach();
      const again = await orderOf(second, waiting);
      expect(first.orders).toHaveLength(orders);
      second.report(again);
      expect((await inState(waiting, JobState.JOB_STATE_SUCCEEDED)).attempts).toBe(1);
      for (const { jobId } of (await b.listJobs({ state: 0, page: undefined })).jobs.map(({ id }) => ({ jobId: id })))
        await b.cancelJob({ jobId });
    });

    it("keeps organisations apart", async () => {
      const stream = await attach();
      const other = await attach(c);
      const jobId = await create();
      const order = await orderOf(stream, jobId);
      other.report(order, { succeeded: true, recordsRevealed: 5 });
      await until(() => expect(other.recorded).toEqual([order.attemptId]));
      expect(await job(jobId)).toMatchObject({ state: JobState.JOB_STATE_RUNNING, recordsRevealed: 0 });
      expect(other.orders).toEqual([]);
      stream.report(order);
      await inState(jobId, JobState.JOB_STATE_SUCCEEDED);
    });

    it("refuses a stream that does not keep to the protocol", async () => {
      const stream = await attach();
      stream.send({ body: { $case: "hello", value: { concurrency: 1, finished: [] } } });
      await until(() => expect(stream.ended).toBe("ATTACH_PROTOCOL"));
      const idle = new TestStream(b, { concurrency: 0 });
      await until(() => expect(idle.ended).toBe("ATTACH_PROTOCOL"));
    });

    it("says so when Redis is down, loses no job, and runs none twice when an empty one returns", async () => {
      const stream = await attach(b, { concurrency: 1 });
      const running = await create();
      const waiting = await create();
      const order = await orderOf(stream, running);
      await redis.stop();
      await until(async () => expect(await refusal(b.createJob(wish()))).toBe("UNAVAILABLE QUEUE_UNAVAILABLE"));
      expect((await job(waiting)).state).toBe(JobState.JOB_STATE_QUEUED);
      await redis.start();
      const later = wish();
      await until(async () => expect(await refusal(b.createJob(later))).toBe("no error"));
      await sleep(300);
      expect(stream.orders.map(({ jobId }) => jobId)).toEqual([running]);
      stream.report(order);
      await inState(running, JobState.JOB_STATE_SUCCEEDED);
      for (let number = 2; number <= 3; number++)
        stream.report(
          await until(() => expect(stream.orders.length).toBe(number)).then(() => stream.orders[number - 1]),
        );
      await inState(waiting, JobState.JOB_STATE_SUCCEEDED);
      await inState(later.jobId, JobState.JOB_STATE_SUCCEEDED);
      expect(stream.orders.map(({ jobId }) => jobId).sort()).toEqual([running, waiting, later.jobId].sort());
    });

    it("does not start again what is running when Redis forgets it", async () => {
      const stream = await attach(b, { concurrency: 3 });
      const running = [await create(), await create()];
      for (const jobId of running) await orderOf(stream, jobId);
      await redis.stop();
      await redis.start();
      const later = wish();
      await until(async () => expect(await refusal(b.createJob(later))).toBe("no error"));
      stream.report(await orderOf(stream, later.jobId));
      await inState(later.jobId, JobState.JOB_STATE_SUCCEEDED);
      await sleep(500);
      expect(stream.orders.map(({ jobId }) => jobId)).toEqual([...running, later.jobId]);
      for (const jobId of running) {
        stream.report(await orderOf(stream, jobId));
        expect(await inState(jobId, JobState.JOB_STATE_SUCCEEDED)).toMatchObject({ attempts: 1 });
      }
    });

    it("goes on after a restart, with the same ticket key", async () => {
      const stream = await attach();
      const jobId = await create();
      const before = await orderOf(stream, jobId);
      const jwks = (await b.getKeys({})).jwks;
      await service.close();
      await restartWith({});
      expect((await b.getKeys({})).jwks).toBe(jwks);
      const again = await attach();
      const order = await orderOf(again, jobId);
      expect(order.attemptId).not.toBe(before.attemptId);
      again.report(order);
      expect(await inState(jobId, JobState.JOB_STATE_SUCCEEDED)).toMatchObject({ attempts: 2 });
    });

    it("keeps its ticket key sealed", async () => {
      await service.close();
      const other = join(database.dataDir, "another-kek");
      writeFileSync(other, Buffer.alloc(32, 1));
      const wrong = readConfig({ ...environment, PARLEY_TICKET_KEK_FILE: other });
      await expect(startScheduler(wrong, router.logger)).rejects.toThrow(/opens none of the stored ticket keys/);
      const missing = { PARLEY_ENV: "production", PARLEY_TICKET_KEK_FILE: join(database.dataDir, "missing") };
      await expect(startScheduler(readConfig({ ...environment, ...missing }), router.logger)).rejects.toThrow(
        /PARLEY_TICKET_KEK_FILE/,
      );
      await restartWith({});
    });

    describe("with little patience", () => {
      beforeAll(async () => {
        await service.close();
        await restartWith({ PARLEY_ACCEPT_MS: "100", PARLEY_ABANDONED_MS: "500" });
      });

      it("takes an attempt back that the access point does not store", async () => {
        const stream = await attach(b, { silent: true });
        const jobId = await create();
        const order = await orderOf(stream, jobId);
        await until(() => expect(stream.cancelled).toContain(order.attemptId));
        const failed = await inState(jobId, JobState.JOB_STATE_FAILED);
        expect(failed).toMatchObject({ attempts: 3, error: { reason: "ATTEMPT_NOT_STORED" } });
      });

      it("takes back what it began for a job that never came to be", async () => {
        const living = await create();
        const lost = newId("job"); // reserved by a scheduler that ended before it had created the job
        agreements.reserved.set(lost, 8);
        await until(() => expect(agreements.released.filter(({ jobId }) => jobId === lost).length).toBe(1));
        expect(agreements.released.find(({ jobId }) => jobId === lost)).toMatchObject({
          ticketsGiven: 0,
          lastTicketExpires: undefined,
        });
        expect(agreements.released.some(({ jobId }) => jobId === living)).toBe(false);
        await b.cancelJob({ jobId: living });
      });
    });

    describe.skipIf(kind === "pglite")("with two replicas", () => {
      it("stops one: what ends in time is one attempt, the rest goes to the other at once, not when the queue notices", async () => {
        const other = await startScheduler(readConfig({ ...environment, PARLEY_DRAIN_SECONDS: "1" }), router.logger);
        const ids = [await create(), await create()]; // through the queue
        const [there] = await clientsOf(other);
        const first = await attach(there);
        const [quick, slow] = [await orderOf(first, ids[0]), await orderOf(first, ids[1])];
        const closed = other.close();
        await until(async () =>
          expect(await refusal(new Promise((_, reject) => void follow(there).catch(reject)))).toBe(
            "UNAVAILABLE DRAINING",
          ),
        );
        first.report(quick);
        await inState(ids[0], JobState.JOB_STATE_SUCCEEDED);
        await closed;
        expect(first.ended).toBe("DRAINING");
        const queue = new Redis(redis.url);
        expect(await queue.llen("parley:jobs-clinic-b:active")).toBe(0);
        queue.disconnect();
        const second = await attach();
        const again = await orderOf(second, ids[1]);
        expect(again.attemptId).not.toBe(slow.attemptId);
        second.report(again);
        expect((await inState(ids[1], JobState.JOB_STATE_SUCCEEDED)).attempts).toBe(2);
        expect((await job(ids[0])).attempts).toBe(1);
      });

      it("ends the older stream on another replica, and goes on there", async () => {
        const other = await startScheduler(readConfig(environment), router.logger);
        try {
          const [there] = await clientsOf(other);
          const first = await attach();
          const jobId = await create();
          await orderOf(first, jobId);
          const second = await attach(there);
          await until(() => expect(first.ended).toBe("STREAM_SUPERSEDED"));
          second.report(await orderOf(second, jobId));
          await inState(jobId, JobState.JOB_STATE_SUCCEEDED, there);
          const cancelled = await create();
          const order = await orderOf(second, cancelled);
          await b.cancelJob({ jobId: cancelled });
          await until(() => expect(second.cancelled).toEqual([order.attemptId]));
        } finally {
          await other.close();
        }
      });
    });
  });
});
