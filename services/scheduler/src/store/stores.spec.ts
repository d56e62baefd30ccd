import { newId } from "@parley/agreement";
import { openDatabase } from "@parley/service-kit";
import { DATABASE_KINDS, hasPostgres, testDatabase, type TestDatabase } from "@parley/service-kit/testing";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AttemptStore, type AttemptEnd } from "./attempt-store.js";
import { JobStore, type SchedulerDatabase } from "./job-store.js";
import { OutboxStore } from "./outbox-store.js";
import * as schema from "./schema.js";

const postgres = await hasPostgres();
const success: AttemptEnd = { succeeded: true, retryable: false, recordsRevealed: 8, onlineMicros: 1 };
const failure: AttemptEnd = { ...success, succeeded: false, recordsRevealed: 0 };

describe.each(DATABASE_KINDS)("stores on %s", (kind) => {
  describe.skipIf(kind === "postgresql" && !postgres)("of jobs and attempts", () => {
    let target: TestDatabase;
    let database: SchedulerDatabase;
    let jobs: JobStore;
    let attempts: AttemptStore;

    beforeAll(async () => {
      target = (await testDatabase(kind))!;
      database = await openDatabase({
        service: "scheduler",
        schema,
        migrationsFolder: fileURLToPath(new URL("../../migrations", import.meta.url)),
        url: target.url,
        dataDir: target.dataDir,
      });
      jobs = new JobStore(database);
      attempts = new AttemptStore(database, 2);
    });
    afterAll(async () => {
      await database.close();
      await target.remove();
    });

    const newJob = async () => {
      const id = newId("job");
      const wish = {
        name: "",
        operation: "predict",
        assetId: newId("mdl"),
        agreementId: newId("agr"),
        traceparent: "",
      };
      const terms = { modelOwner: "clinic-a", agreementDigest: "", planDigest: "" };
      await jobs.create({ id, organisationId: "clinic-b", records: 8, maxRecords: 8, ...wish, ...terms });
      return id;
    };
    const start = (jobId: string, epoch: number) =>
      attempts.start({ jobId, attemptId: newId("att"), epoch, ticketExpires: new Date() });
    const started = async (jobId: string, epoch: number) => {
      const result = await start(jobId, epoch);
      if (result.kind !== "started") throw new Error(result.kind);
      return result.attempt.id;
    };
    const stateOf = async (jobId: string) => (await jobs.get(jobId))?.state;

    it("starts nothing for a stream that a newer one replaced", async () => {
      const jobId = await newJob();
      const older = await attempts.claimStream("clinic-b");
      const newer = await attempts.claimStream("clinic-b");
      expect(newer).toBeGreaterThan(older);
      expect((await start(jobId, older)).kind).toBe("superseded");
      expect((await jobs.get(jobId))?.attempts).toBe(0);
      expect((await start(jobId, newer)).kind).toBe("started");
    });

    it("has one open attempt of a job at a time, however many start at once", async () => {
      const jobId = await newJob();
      const epoch = await attempts.claimStream("clinic-b");
      const results = await Promise.all([1, 2].map(() => start(jobId, epoch)));
      const ids = results.flatMap((result) => (result.kind === "started" ? [result.attempt.id] : []));
      expect(ids.length).toBe(2);
      expect((await attempts.endedOf(ids)).length).toBe(1);
    });

    it("lets the late failure of a lost attempt not end the job", async () => {
      const jobId = await newJob();
      const lost = await started(jobId, await attempts.claimStream("clinic-b"));
      await attempts.lose(lost);
      const second = await started(jobId, await attempts.claimStream("clinic-b"));
      expect(await attempts.report("clinic-b", jobId, lost, failure)).toBe("taken");
      expect(await stateOf(jobId)).toBe("running");
      expect(await attempts.report("clinic-b", jobId, second, success)).toBe("taken");
      expect(await stateOf(jobId)).toBe("succeeded");
    });

    it("takes reports of the organisation's own attempts only, under their own job", async () => {
      const jobId = await newJob();
      const attempt = await started(jobId, await attempts.claimStream("clinic-b"));
      expect(await attempts.report("clinic-c", jobId, attempt, success)).toBe("unknown");
      expect(await attempts.report("clinic-b", await newJob(), attempt, success)).toBe("unknown");
      expect(await attempts.report("clinic-b", jobId, newId("att"), success)).toBe("unknown");
      expect(await stateOf(jobId)).toBe("running");
    });

    it("marks a job whose last attempt was lost as a dead letter, and one that cannot be helped as not", async () => {
      const epoch = await attempts.claimStream("clinic-b");
      const jobId = await newJob();
      for (let number = 0; number < 2; number++) await attempts.lose(await started(jobId, epoch));
      expect(await jobs.get(jobId)).toMatchObject({
        state: "failed",
        deadLetter: true,
        error: { reason: "STREAM_BROKEN" },
      });
      expect((await start(jobId, epoch)).kind).toBe("ended");
      const helpless = await newJob();
      await attempts.report("clinic-b", helpless, await started(helpless, epoch), failure);
      expect(await jobs.get(helpless)).toMatchObject({ state: "failed", deadLetter: false });
    });

    it("hands each audit row to one sender at a time", async () => {
      const outbox = new OutboxStore(database);
      const [one, two] = await Promise.all([outbox.claim(1000), outbox.claim(1000)]);
      const ids = [...one, ...two].map(({ id }) => id);
      expect(ids.length).toBeGreaterThan(10);
      expect(new Set(ids).size).toBe(ids.length);
      expect(await outbox.claim(1000)).toEqual([]);
      await outbox.remove([ids[0]]);
      await outbox.unclaim(ids);
      expect((await outbox.claim(1000)).map(({ id }) => id)).toEqual(ids.slice(1).sort((x, y) => x - y));
    });
  });
});
