import { Code, ParleyError, scheduler } from "@parley/proto";
import { getEventListeners } from "node:events";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Asset } from "./asset.js";
import type { Job, JobOptions } from "./job.js";
import { Parley } from "./parley.js";
import { FakeAccessPoint } from "./testing/fake-access-point.js";
import { densePlan } from "./testing/plans.js";

const { JobState } = scheduler;
let fake: FakeAccessPoint;
let parley: Parley;
let asset: Asset;
beforeAll(async () => {
  fake = await FakeAccessPoint.start();
  const { id } = fake.assets.add("sum", densePlan([3], { lo: -10, hi: 10, names: ["a", "b", "c"] }));
  parley = Parley.connect(fake.profile);
  asset = await parley.asset(id);
});
afterAll(() => {
  parley.close();
  fake.stop();
});
beforeEach(() => {
  fake.jobs.onSubmit = (id) => fake.jobs.succeed(id, [65536n, -1n, 2n, 3n]);
});
afterEach(() => fake.refuse.clear());

const RECORDS = [
  [1, 2, 3],
  [-4, 5.5, 0],
];
const create = (options: Partial<JobOptions> = {}): Job =>
  parley.createJob({
    name: "ward 3",
    operation: "predict",
    asset,
    dataset: RECORDS,
    params: { security: "smpc" },
    ...options,
  });

describe("Job", () => {
  it("sends the records, waits and decodes the result", async () => {
    const job = create({ agreement: "agr_x" });
    expect(job).toMatchObject({ id: "", state: "created", success: false, ended: false, records: 0 });
    await job.submit();
    expect(job).toMatchObject({ state: "succeeded", success: true, ended: true, records: 2, recordsDone: 2 });
    expect(job.result.logits).toEqual([
      ["65536", "-1"],
      ["2", "3"],
    ]);
    expect(job.timings?.runs).toBe(1);
    expect(fake.jobs.headers.at(-1)).toEqual({
      name: "ward 3",
      operation: "predict",
      assetId: asset.id,
      agreementId: "agr_x",
      security: "smpc",
      shape: [2, 3],
      jobId: job.id,
    });
    expect([...(fake.jobs.values.get(job.id) ?? [])]).toEqual(RECORDS.flat());
  });

  it("sends records of several pieces", async () => {
    const many = Array.from({ length: 60_000 }, (_, i) => [i % 10, 1, -1]);
    fake.jobs.onSubmit = (id) => fake.jobs.succeed(id, new Array<bigint>(120_000).fill(5n));
    const job = await create({ dataset: many }).submit();
    expect(job.result.labels.length).toBe(60_000);
    expect(fake.jobs.values.get(job.id)).toEqual(Float64Array.from(many.flat()));
  });

  it("reports progress", async () => {
    const seen: [string, number][] = [];
    fake.jobs.onSubmit = () => {};
    const job = await create().send();
    const ended = job.wait({
      onProgress: ({ state, recordsDone }) => {
        seen.push([state, recordsDone]);
        if (state === "queued") fake.jobs.change(job.id, JobState.JOB_STATE_RUNNING, 1);
        else if (state === "running") fake.jobs.succeed(job.id, [1n, 2n, 3n, 4n]);
      },
    });
    await ended;
    expect(seen).toEqual([
      ["queued", 0],
      ["running", 1],
      ["succeeded", 2],
    ]);
  });

  it.each<[string, JobOptions["dataset"], string, string]>([
    ["a wrong shape", [[1, 2]], "DATASET_INVALID", "holds 1 record of 2; the model takes records of 3"],
    [
      "NaN",
      [
        [1, 2, 3],
        [1, Number.NaN, 3],
      ],
      "NOT_A_NUMBER",
      "the array: row 2, column 2 (b): not a number",
    ],
    ["a value out of range", [[1, 2, 11]], "OUT_OF_RANGE", "row 1, column 3 (c): above the admitted range, -10 to 10"],
    ["a missing file", "nothing.csv", "FILE_UNREADABLE", "nothing.csv does not exist"],
  ])("refuses %s before anything is sent", async (_, dataset, reason, message) => {
    const calls = fake.calls.length;
    await expect(create({ dataset }).submit()).rejects.toMatchObject({
      code: Code.INVALID_ARGUMENT,
      reason,
      message: expect.stringContaining(message) as string,
    });
    expect(fake.calls.length).toBe(calls);
  });

  it("throws what the access point refuses, and may not be submitted twice", async () => {
    const quota = new ParleyError(Code.RESOURCE_EXHAUSTED, "QUOTA", "16 of 20 records left", "Fewer.");
    for (const rpc of ["runJob", "submitJob"]) fake.refuse.set(rpc, quota);
    await expect(create().submit()).rejects.toMatchObject({ reason: "QUOTA", hint: "Fewer." });
    await expect(create().send()).rejects.toMatchObject({ reason: "QUOTA", hint: "Fewer." });
    fake.refuse.clear();
    const job = await create().submit();
    await expect(job.submit()).rejects.toMatchObject({ reason: "ALREADY_SUBMITTED" });
  });

  it("tells of a failed job without throwing until its result is asked for", async () => {
    const failure = { code: Code.UNAVAILABLE, reason: "PARTNER_UNREACHABLE", message: "no worker", hint: "Ask." };
    fake.jobs.onSubmit = (id) => fake.jobs.change(id, JobState.JOB_STATE_FAILED, 0, failure);
    const job = await create().submit();
    expect(job).toMatchObject({ success: false, state: "failed", fetched: false });
    expect(job.error).toMatchObject({ code: Code.UNAVAILABLE, reason: "PARTNER_UNREACHABLE", hint: "Ask." });
    expect(() => job.result).toThrow("no worker");
  });

  it("can be cancelled while it is waited for", async () => {
    fake.jobs.onSubmit = () => {};
    const job = await create().send();
    expect(() => job.result).toThrow(`job ${job.id} is queued`);
    const waiting = job.wait();
    await (await parley.job(job.id)).cancel();
    expect((await waiting).state).toBe("cancelled");
    expect(() => job.result).toThrow("is cancelled");
  });

  it("stops waiting when its caller aborts; the job goes on", async () => {
    fake.jobs.onSubmit = () => {};
    const job = await create().send();
    const abort = new AbortController();
    const waiting = job.wait({ signal: abort.signal, onProgress: () => abort.abort() });
    await expect(waiting).rejects.toMatchObject({ code: Code.CANCELLED });
    expect((await parley.job(job.id)).state).toBe("queued");
  });

  it("is found again by its id, with its result", async () => {
    const { id } = await create().submit();
    const found = await parley.job(id);
    expect(found).toMatchObject({ state: "succeeded", fetched: false });
    expect((await found.wait()).result.logits[0]).toEqual(["65536", "-1"]);
    expect((await parley.jobs())[0].id).toBe(id);
    await expect(parley.job("job_x")).rejects.toMatchObject({ reason: "JOB_NOT_FOUND" });
  });

  it("goes on when the access point is away while it is watched", async () => {
    fake.jobs.onSubmit = () => {};
    const job = await create().send();
    const { signal } = new AbortController();
    const waiting = job.wait({ signal, onProgress: ({ state }) => void (state === "queued" && fake.stop()) });
    await new Promise((resolve) => setTimeout(resolve, 700)); // longer than one pause between attempts
    fake.jobs.succeed(job.id, [1n, 2n, 3n, 4n]);
    await fake.resume();
    expect((await waiting).result.logits[1]).toEqual(["3", "4"]);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("is submitted, watched and fetched in one call, and in others where that breaks", async () => {
    const calls = fake.calls.length;
    const job = await create().submit();
    expect(job.success).toBe(true);
    expect(fake.calls.slice(calls)).toEqual(["runJob"]);
    // broken before the first answer: the same submission again; broken after it: watched on
    const before = fake.jobs.all.size;
    let breaks = 0;
    fake.jobs.onSubmit = () => {
      breaks++;
      fake.stop();
      void fake.resume();
    };
    const running = create();
    const done = running.submit({
      onProgress: ({ state, id }) => {
        if (state !== "queued") return;
        fake.stop();
        fake.jobs.succeed(id, [5n, 6n, 7n, 8n]);
        void fake.resume();
      },
    });
    expect((await done).result.logits[1]).toEqual(["7", "8"]);
    expect([breaks, fake.jobs.all.size]).toEqual([1, before + 1]);
    expect(fake.calls.slice(calls + 1)).toEqual(["runJob", "runJob", "watchJob"]);
  });

  it("is one job where the access point went away in the middle of the submission", async () => {
    const before = fake.jobs.all.size;
    fake.stop();
    const sending = create().send();
    await fake.resume();
    const job = await sending;
    expect(fake.jobs.all.size).toBe(before + 1);
    // the answer was lost, the job was not: the same submission again is the same job
    let lost = true;
    fake.jobs.onSubmit = () => {
      if (!lost) return;
      lost = false;
      fake.stop();
      void fake.resume();
    };
    const again = await create().send();
    expect(again.id).not.toBe(job.id);
    expect(fake.jobs.all.size).toBe(before + 2);
    expect(fake.jobs.headers.slice(-2).map(({ jobId }) => jobId)).toEqual([again.id, again.id]);
  });

  it("goes on where the access point has the job, but could not hand it over yet", async () => {
    const calls = fake.calls.length;
    fake.jobs.onSubmit = (id) => {
      fake.jobs.succeed(id, [1n, 2n, 3n, 4n]);
      throw new ParleyError(Code.UNAVAILABLE, "UNAVAILABLE", "stored here", "", { job: id });
    };
    const job = await create().submit();
    expect(job.result.logits[1]).toEqual(["3", "4"]);
    expect(fake.calls.slice(calls)).toEqual(["runJob", "runJob"]);
    fake.jobs.onSubmit = () => {
      throw new ParleyError(Code.UNAVAILABLE, "UNAVAILABLE", "stored here", "", { job: "another" });
    };
    await expect(create().submit()).rejects.toMatchObject({ message: "stored here" });
  });
});
