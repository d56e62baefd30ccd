import { fleet, member } from "@parley/proto";
import { saveProfile } from "@parley/sdk";
import { FakeAccessPoint } from "@parley/sdk/testing";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { waterfall } from "./output/waterfall.js";
import { json, shell } from "./testing/shell.js";

const { PARTY_CLIENT, PARTY_SERVER } = fleet.Party;
const JOB = "job_1";
const step = (name: string, startMicros: bigint, durationMicros: bigint, more: Partial<member.TraceStep> = {}) =>
  member.TraceStep.create({
    name,
    actor: "access-point",
    organisation: "clinic-b",
    startMicros,
    durationMicros,
    ...more,
  });
const layer = { actor: "worker", attempt: 1, inRun: true, messages: 2, bytes: 2048n };
const TRACE = member.GetJobTraceResponse.create({
  traceId: "ab".repeat(16),
  received: new Date("2026-11-28T12:00:00Z"),
  modelOwner: "clinic-a",
  dataOwner: "clinic-b",
  steps: [
    step("offline.prepare", -9_000_000n, 40_000n, { ...layer, party: PARTY_CLIENT }),
    step("submit", 0n, 2_500n),
    step("accept", 2_500n, 2_500n, { actor: "scheduler", organisation: "" }),
    step("run", 5_000n, 5_000n, { attempt: 1, inRun: true }),
    step("linear 0", 6_000n, 2_000n, { ...layer, party: PARTY_CLIENT, waitMicros: 1_000n }),
    step("linear 0", 6_000n, 1_000n, { ...layer, party: PARTY_SERVER, organisation: "clinic-a" }),
    step("report", 10_000n, 0n, { actor: "scheduler", organisation: "" }),
  ],
});

describe("parley job trace", () => {
  let fake: FakeAccessPoint;
  let folder: string;
  beforeAll(async () => {
    fake = await FakeAccessPoint.start();
    folder = mkdtempSync(join(tmpdir(), "parley-trace-"));
    vi.stubEnv("PARLEY_HOME", folder);
    vi.stubEnv("PARLEY_PROFILE", undefined);
    vi.stubEnv("PARLEY_PROFILE_DIR", undefined);
    vi.stubEnv("COLUMNS", "120");
    saveProfile("default", fake.profile);
    fake.jobs.all.set(JOB, member.MemberJob.fromPartial({ job: { id: JOB } }));
    fake.jobs.trace = TRACE;
  });
  afterAll(() => {
    fake.stop();
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  it("draws both organisations' steps, without colours where nobody watches", async () => {
    const { exit, out } = await shell("job", "trace", JOB);
    expect(exit).toBe(0);
    expect(out).not.toContain("\u001b");
    expect(out).toContain(`Trace:    ${"ab".repeat(16)}`);
    expect(out).toMatch(/linear 0 +clinic-b worker .*█░* +2\.0 ms {2}2 × 2\.0 KiB\n/);
    expect(out).toMatch(/linear 0 +clinic-a worker .*█ +1\.0 ms/);
    expect(out).toContain("model: clinic-a, data: clinic-b");
  });

  it("gives numbers for scripts", async () => {
    const { value } = await json("job", "trace", JOB);
    expect(value).toMatchObject({ jobId: JOB, traceId: "ab".repeat(16), modelOwner: "clinic-a", dropped: 0 });
    const { steps } = value as { steps: unknown[] };
    expect(steps[4]).toEqual({
      ...{ name: "linear 0", actor: "worker", organisation: "clinic-b", startMs: 6, durationMs: 2 },
      ...{ attempt: 1, run: 0, party: 1, messages: 2, bytes: 2048, waitMs: 1 },
    });
    expect(steps[6]).toEqual({
      name: "report",
      actor: "scheduler",
      organisation: "router",
      startMs: 10,
      durationMs: 0,
    });
  });

  it("says that a job is not known", async () => {
    expect(await json("job", "trace", "job_2")).toMatchObject({ exit: 1, value: { error: { code: "JOB_NOT_FOUND" } } });
  });

  it("says that nothing is kept", async () => {
    fake.jobs.trace = member.GetJobTraceResponse.create({ traceId: "cd".repeat(16) });
    expect((await shell("job", "trace", JOB)).out).toContain("No steps of this job are kept");
    fake.jobs.trace = TRACE;
  });
});

describe("waterfall", () => {
  const barsOf = (width: number) =>
    waterfall(TRACE, { width, colours: false })
      .split("\n")
      .slice(1, 1 + TRACE.steps.length)
      .map((line) => line.slice(46));

  it("places bars on the job's scale, waiting apart from work", () => {
    // 40 columns stand for 10 ms
    const [prepared, submit, accept, run, client, server, report] = barsOf(46 + 40 + 11);
    expect(prepared).toMatch(/^◂ {40} *40\.0 ms$/);
    expect(submit).toMatch(/^█{10} {30}/);
    expect(accept).toMatch(/^ {10}█{10} {20}/);
    expect(run).toMatch(/^ {20}█{20} /);
    expect(client).toMatch(/^ {24}█{4}░{4} {8}/);
    expect(server).toMatch(/^ {24}█{4} {12}/);
    expect(report).toMatch(/^ {39}│/);
  });

  it.each([40, 60, 80, 100, 200])("fits into %d columns, or its least width", (width) => {
    const lines = waterfall(TRACE, { width, colours: false }).split("\n").slice(0, -1);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(Math.max(width, 70));
  });

  it("shows colours on a terminal", () => {
    expect(waterfall(TRACE, { width: 100, colours: true })).toContain("\u001b[36m█");
  });
});
