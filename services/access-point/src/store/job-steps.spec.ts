import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VaultDatabase } from "./database.js";
import { JobSteps, MOST_STEPS, type JobStep } from "./job-steps.js";

const step = (name: string, more: Partial<JobStep> = {}): JobStep => ({
  ...{ name, actor: "access-point", organisation: "clinic-b", at: 1_700_000_000.5, lasted: 0.25, attempt: "" },
  ...more,
});

describe("JobSteps", () => {
  let folder: string;
  let database: VaultDatabase;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "parley-steps-"));
    database = new VaultDatabase(folder);
  });
  afterEach(() => {
    database.close();
    rmSync(folder, { recursive: true });
  });
  const names = (steps: JobSteps, job: string) => steps.of(job).steps.map(({ name }) => name);

  it("tells steps in their order, written or not, also after a restart what was written", () => {
    const steps = new JobSteps(database);
    const layer = {
      actor: "worker",
      run: 0,
      party: 0,
      messages: 3,
      bytes: 70,
      waited: 0.125,
      attempt: "att_1",
    } as const;
    steps.note("job_1", step("b", { at: 20, ...layer }), step("a", { at: 10 }));
    steps.write("job_1");
    steps.note("job_1", step("c", { at: 30 }));
    steps.note("job_2", step("other"));
    expect(names(steps, "job_1")).toEqual(["a", "b", "c"]);
    expect(steps.of("job_1").steps[1]).toMatchObject({ at: 20, lasted: 0.25, organisation: "clinic-b", ...layer });
    expect(names(new JobSteps(database), "job_1")).toEqual(["a", "b"]);
  });

  it("keeps a bounded number for a job, and says how many it dropped", () => {
    const steps = new JobSteps(database);
    steps.note("job_1", ...Array.from({ length: MOST_STEPS + 5 }, () => step("x")));
    steps.write("job_1");
    steps.note("job_1", step("y"));
    const kept = steps.of("job_1");
    expect([kept.steps.length, kept.dropped]).toEqual([MOST_STEPS, 6]);
  });

  it("keeps a bounded number of rows, the newest", () => {
    const steps = new JobSteps(database, 3);
    for (let i = 0; i < 64; i++) {
      steps.note(`job_${i}`, step("x"));
      steps.write(`job_${i}`, true);
    }
    expect([60, 61, 62, 63].map((i) => names(steps, `job_${i}`).length)).toEqual([0, 1, 1, 1]);
  });

  it("goes with its job", () => {
    database.run(
      `INSERT INTO jobs (id, user, name, operation, asset_id, agreement, agreement_id, records, content, state, traceparent, received_at)
       VALUES ('job_1', 'u', 'n', 'predict', 'a', 'd', 'g', 1, 'c', 'submitting', 't', 1)`,
    );
    const steps = new JobSteps(database);
    steps.note("job_1", step("x"));
    steps.write("job_1", true);
    expect(names(steps, "job_1")).toEqual(["x"]);
    database.run(`DELETE FROM jobs WHERE id = 'job_1'`);
    expect(names(steps, "job_1")).toEqual([]);
  });
});
