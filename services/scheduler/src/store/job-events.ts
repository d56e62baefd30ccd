import { count, knownReason } from "@parley/service-kit";
import type { JobRow, Transaction } from "./job-store.js";
import * as schema from "./schema.js";

export const ACTOR = "router/scheduler";

type Details = Readonly<Record<string, string | number | boolean>>;

/** Counts the end of a job or an attempt, e.g. `job.failed`; other actions are no ends. */
export function countEnd(action: string, reason = ""): void {
  const [what, outcome] = action.split(".");
  if (outcome === "created" || outcome === "started") return;
  if (what === "job") count("parley.job.ended", { outcome });
  if (what === "attempt") count("parley.attempt.ended", { outcome, reason: reason && knownReason(reason) });
}

/** Writes an audit row about a job, in the transaction of the change that it tells of. */
export async function tell(
  tx: Transaction,
  job: JobRow,
  action: string,
  actor: string,
  details: Details,
): Promise<void> {
  await tx.insert(schema.auditOutbox).values({
    action,
    actor,
    subject: job.id,
    traceId: job.traceparent.split("-")[1] ?? "",
    details: { agreement: job.agreementId, ...details },
    organisations: [job.organisationId, job.modelOwner],
  });
  countEnd(action, typeof details.reason === "string" ? details.reason : "");
}

/** The audit row of a job's end. */
export const tellEnd = (tx: Transaction, job: JobRow, actor = ACTOR): Promise<void> =>
  tell(tx, job, `job.${job.state}`, actor, {
    attempts: job.attempts,
    recordsRevealed: job.recordsRevealed,
    ...(job.error && { reason: job.error.reason }),
    ...(job.deadLetter && { deadLetter: true }),
  });
