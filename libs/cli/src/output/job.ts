import type { Job } from "@parley/sdk";

/** Times in milliseconds and payload counts, summed over the runs of a job. */
export function timingsOf(job: Job) {
  const t = job.timings;
  if (!t) return undefined;
  const ms = (micros: bigint) => Number(micros) / 1000;
  return {
    submitToResultMs: ms(t.submitToResultMicros),
    onlineMs: ms(t.onlineMicros),
    offlineMs: ms(t.offlineMicros),
    bindMs: ms(t.bindMicros),
    runs: t.runs,
    messages: t.messages,
    bytes: { p1ToP0: Number(t.bytesP1ToP0), p0ToP1: Number(t.bytesP0ToP1) },
  };
}

/** The JSON form of a job; with its result where it has one. */
export function jobJson(job: Job) {
  const error = job.error;
  const result = job.success && job.fetched ? job.result.toJSON() : {};
  return {
    jobId: job.id,
    state: job.state,
    records: job.records,
    ...result,
    timings: timingsOf(job),
    ...(error && { error: { code: error.reason, message: error.message, hint: error.hint } }),
  };
}
