import { Code, ParleyError, saveProfile } from "@parley/sdk";
import { densePlan, FakeAccessPoint } from "@parley/sdk/testing";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { json, shell } from "./testing/shell.js";

const CANCELLED = 5;
let fake: FakeAccessPoint;
let folder: string;
let predict: string[];
beforeAll(async () => {
  fake = await FakeAccessPoint.start();
  folder = mkdtempSync(join(tmpdir(), "parley-predict-"));
  vi.stubEnv("PARLEY_HOME", folder);
  saveProfile("default", fake.profile);
  const data = join(folder, "patients.csv");
  writeFileSync(data, "age,dose\n0.5,1\n0,0.25\n");
  const { id } = fake.assets.add("sum", densePlan([2]));
  predict = ["predict", "--asset", id, "--data", data];
});
beforeEach(() => {
  fake.jobs.onSubmit = (id) => fake.jobs.succeed(id, [65536n, 0n, 1n, 98304n]);
});
afterEach(() => fake.refuse.clear());
afterAll(() => {
  fake.stop();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** Runs with a terminal as standard error. */
async function onTerminal<T>(action: () => Promise<T>): Promise<T> {
  const before = Object.getOwnPropertyDescriptor(process.stderr, "isTTY");
  Object.defineProperty(process.stderr, "isTTY", { value: true, configurable: true });
  try {
    return await action();
  } finally {
    if (before) Object.defineProperty(process.stderr, "isTTY", before);
    else Reflect.deleteProperty(process.stderr, "isTTY");
  }
}

const submitted = (count: number) => vi.waitUntil(() => fake.jobs.all.size > count);

describe("parley predict", () => {
  it("prints one JSON object and nothing else, also on a terminal", async () => {
    const { exit, out, err } = await onTerminal(() => shell(...predict, "--json"));
    expect({ exit, err }).toEqual({ exit: 0, err: "" });
    expect(JSON.parse(out)).toEqual({
      jobId: expect.stringMatching(/^job_/) as string,
      state: "succeeded",
      records: 2,
      values: [
        [1, 0],
        [1 / 65536, 1.5],
      ],
      logits: [
        ["65536", "0"],
        ["1", "98304"],
      ],
      scale: 16,
      labels: [0, 1],
      timings: expect.objectContaining({ submitToResultMs: 25, onlineMs: 1.5, runs: 1 }) as object,
    });
  });

  it("prints result and summary, and no bar where nobody watches", async () => {
    const { exit, out, err } = await shell(...predict);
    expect({ exit, err }).toEqual({ exit: 0, err: "" });
    expect(out).toMatch(
      /^1: 0 {2}\[1\.0000, 0\.0000\]\n2: 1 {2}\[0\.0000, 1\.5000\]\n\nJob job_\w+: 2 records, online 1\.50 ms/,
    );
  });

  it("shows a bar on a terminal", async () => {
    const { exit, out, err } = await onTerminal(() => shell(...predict));
    expect(exit).toBe(0);
    expect(err).toMatch(/Predicting .* 2\/2 succeeded/);
    expect(out).not.toContain("Predicting");
  });

  it.each([
    ["0.5,2\n", "OUT_OF_RANGE", "x.csv: row 1, column 2: above the admitted range, 0 to 1"],
    ["age,dose\n0.5,NaN\n", "DATASET_INVALID", "x.csv: row 1 (line 2), column 2 (dose): not a number"],
    ["1,1,1\n", "DATASET_INVALID", "x.csv: holds 1 record of 3; the model takes records of 2"],
  ])("refuses %j", async (content, code, message) => {
    const data = join(folder, "x.csv");
    writeFileSync(data, content);
    const jobs = fake.jobs.all.size;
    const refused = await json(...predict, "--data", data);
    expect(refused).toMatchObject({ exit: 1, value: { error: { code, message } } });
    expect(fake.jobs.all.size).toBe(jobs);
  });

  it("passes on a refusal and a failure", async () => {
    fake.refuse.set("submitJob", new ParleyError(Code.RESOURCE_EXHAUSTED, "QUOTA", "16 of 20 left", "Fewer."));
    const quota = { error: { code: "QUOTA", message: "16 of 20 left", hint: "Fewer." } };
    expect(await json(...predict)).toEqual({ exit: 1, value: quota });
    fake.refuse.clear();
    const failure = { code: Code.UNAVAILABLE, reason: "PARTNER_UNREACHABLE", message: "no worker", hint: "Ask." };
    fake.jobs.onSubmit = (id) => fake.jobs.change(id, 4, 0, failure);
    const failed = { error: { code: "PARTNER_UNREACHABLE", message: "no worker", hint: "Ask." } };
    expect(await json(...predict)).toEqual({ exit: 1, value: failed });
  });

  it("says that the job was cancelled elsewhere", async () => {
    fake.jobs.onSubmit = (id) => fake.jobs.change(id, CANCELLED);
    const { exit, value } = await json(...predict);
    expect(exit).toBe(1);
    expect(value).toMatchObject({ error: { code: "JOB_CANCELLED" } });
  });

  it("lets the job go on after Ctrl-C and says how to find it", async () => {
    fake.jobs.onSubmit = () => {};
    const count = fake.jobs.all.size;
    const running = json(...predict);
    await submitted(count);
    await vi.waitUntil(() => fake.calls.at(-1) === "watchJob");
    process.emit("SIGINT");
    const id = [...fake.jobs.all.keys()].at(-1) ?? "";
    expect(await running).toEqual({
      exit: 1,
      value: {
        error: {
          code: "INTERRUPTED",
          message: `job ${id} goes on at your access point`,
          hint: `Follow it with: parley job watch ${id}; end it with: parley job cancel ${id}`,
        },
      },
    });
    const watching = json("job", "watch", id);
    fake.jobs.succeed(id, [1n, 2n, 3n, 4n]);
    expect(await watching).toMatchObject({ exit: 0, value: { jobId: id, state: "succeeded" } });
  });
});

describe("parley job", () => {
  it("lists, shows and cancels", async () => {
    const { value } = await json(...predict, "--name", "ward 3");
    const { jobId } = value as { jobId: string };
    const listed = (await json("job", "list")).value as { jobs: object[] };
    expect(listed.jobs[0]).toMatchObject({ jobId, state: "succeeded", records: 2 });
    expect((await shell("job", "list")).out).toContain("ward 3");
    expect((await json("job", "show", jobId)).value).toEqual(value);
    expect((await shell("job", "show", jobId)).out).toMatch(/State: +succeeded\n[^]*\n\n1: 0 /);
    expect((await json("job", "cancel", jobId)).value).toMatchObject({ jobId, state: "cancelled" });
    expect(await json("job", "show", "job_x")).toMatchObject({ exit: 1, value: { error: { code: "JOB_NOT_FOUND" } } });
  });
});
