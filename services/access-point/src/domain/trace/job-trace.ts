import { fleet, type member, type scheduler } from "@parley/proto";
import { continueTrace } from "@parley/service-kit";
import { dateOf } from "../../store/database.js";
import type { JobStep } from "../../store/job-steps.js";
import type { StoredJob } from "../../store/jobs.js";
import type { Vault } from "../../store/vault.js";

/** What a job's time went into, as members see it. */
export function traceOf(
  vault: Vault,
  own: { readonly id: string },
  job: StoredJob,
  state: scheduler.JobState,
): member.GetJobTraceResponse {
  const attempts = vault.attempts.ofJob(job.id).map(({ id }) => id);
  const { steps, dropped } = vault.steps.of(job.id);
  const agreement = vault.agreements.byDigest(job.agreement);
  return {
    jobId: job.id,
    traceId: continueTrace(job.traceparent).traceId,
    received: dateOf(job.receivedAt),
    state,
    steps: withQueues(steps).map((step) => describe(step, job.receivedAt, attempts)),
    dropped,
    modelOwner: agreement?.partner ?? "",
    dataOwner: own.id,
  };
}

/** Between the scheduler's acceptance, or an attempt's end, and the next attempt a job waits in the queue. */
function withQueues(steps: readonly JobStep[]): JobStep[] {
  const ends = steps.filter(({ name }) => name === "accept" || name === "attempt").map((step) => step.at + step.lasted);
  const queues = steps
    .filter(({ name }) => name === "attempt")
    .flatMap((attempt): JobStep[] => {
      const since = Math.max(...ends.filter((end) => end <= attempt.at));
      if (!Number.isFinite(since)) return []; // handed over with the acceptance itself
      const lasted = attempt.at - since;
      return [{ ...attempt, name: "queue", actor: "scheduler", organisation: "", at: since, lasted }];
    });
  return [...steps, ...queues].sort((a, b) => a.at - b.at || b.lasted - a.lasted);
}

const micros = (s: number) => BigInt(Math.round(s * 1e6));

const describe = (step: JobStep, receivedAt: number, attempts: readonly string[]): member.TraceStep => ({
  name: step.name,
  actor: step.actor,
  organisation: step.organisation,
  startMicros: micros(step.at - receivedAt),
  durationMicros: micros(step.lasted),
  attempt: attempts.indexOf(step.attempt) + 1,
  run: step.run ?? 0,
  inRun: step.run !== undefined,
  messages: step.messages ?? 0,
  bytes: BigInt(step.bytes ?? 0),
  waitMicros: micros(step.waited ?? 0),
  party:
    step.party === undefined
      ? fleet.Party.PARTY_UNSPECIFIED
      : step.party === 0
        ? fleet.Party.PARTY_SERVER
        : fleet.Party.PARTY_CLIENT,
});
