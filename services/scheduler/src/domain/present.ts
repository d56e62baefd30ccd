import { scheduler } from "@parley/proto";
import type { JobRow, JobStateName } from "../store/job-store.js";

const { JobState } = scheduler;

const STATES: Readonly<Record<JobStateName, scheduler.JobState>> = {
  queued: JobState.JOB_STATE_QUEUED,
  running: JobState.JOB_STATE_RUNNING,
  succeeded: JobState.JOB_STATE_SUCCEEDED,
  failed: JobState.JOB_STATE_FAILED,
  cancelled: JobState.JOB_STATE_CANCELLED,
};

export const stateName = (state: scheduler.JobState): JobStateName | undefined =>
  (["queued", "running", "succeeded", "failed", "cancelled"] as const).find((name) => STATES[name] === state);

export const presentJob = (row: JobRow): scheduler.Job => ({
  id: row.id,
  organisationId: row.organisationId,
  name: row.name,
  operation: row.operation,
  assetId: row.assetId,
  agreementId: row.agreementId,
  records: row.records,
  state: STATES[row.state],
  attempts: row.attempts,
  recordsRevealed: row.recordsRevealed,
  error: row.state === "failed" && row.error ? { ...row.error } : undefined,
  createdAt: row.createdAt,
  endedAt: row.endedAt ?? undefined,
});
