import { sizeOf, type Plan } from "@parley/plan";
import { Code } from "@parley/proto";
import { continueTrace, type Logger } from "@parley/service-kit";
import { seconds } from "../../store/database.js";
import { hasEnded, type Failure, type JobTimes, type StoredJob, type Timings } from "../../store/jobs.js";
import type { Vault } from "../../store/vault.js";
import type { Changes } from "../changes.js";
import type { RunOutcome } from "../fleet/dispatcher.js";
import { precondition } from "../refusal.js";
import type { ResultReaders } from "./result-readers.js";

/** How runs, attempts and jobs end in the vault. Each ends once; what comes second changes nothing. */
export class Outcomes {
  constructor(
    private readonly own: { readonly id: string },
    private readonly vault: Vault,
    private readonly readers: ResultReaders,
    private readonly changes: Changes,
    private readonly logger: Logger,
  ) {}

  /** Keeps the outcome of a run. */
  keep(attempt: string, run: number, records: number, outcome: RunOutcome) {
    this.vault.attempts.addRun(
      attempt,
      outcome.ok
        ? { run, records, output: outcome.output, timings: outcome.timings, revealed: true }
        : { run, records, revealed: outcome.revealed },
    );
  }

  /** Puts the runs together in their order; the result is on disk before the job counts as done. */
  async succeed(
    job: StoredJob,
    attempt: string,
    plan: Plan,
    runs: number[],
    only?: { output: Buffer; timings: Timings },
  ) {
    const kept = only ? [{ run: 0, records: runs[0], ...only, revealed: true }] : this.vault.attempts.runs(attempt);
    const outputs = runs.map((records, run) => {
      const output = kept.find((entry) => entry.run === run)?.output;
      if (!output || output.length !== records * 8 * sizeOf(plan.tensors[plan.output.tensor]))
        throw precondition("RUN_MISSING", `the result of run ${run} of attempt ${attempt} is not whole`);
      return output;
    });
    const isHeld = this.vault.jobs.get(job.id)?.state === "succeeded";
    const keep = isHeld ? () => {} : await this.vault.content.store("results", job.id, outputs);
    const timings = sum(kept.map(({ timings }) => timings).filter((entry) => entry !== undefined));
    const times: JobTimes = {
      ...timings,
      runs: runs.length,
      submitToResultMicros: Math.round((seconds() - job.receivedAt) * 1e6),
    };
    let inputIsRow = false;
    let noted = () => {};
    const ended = await this.vault.group.run(() => {
      if (only) this.vault.attempts.addRun(attempt, { ...kept[0], output: undefined });
      this.vault.attempts.end(attempt, { succeeded: true, onlineMicros: timings.onlineMicros });
      const first = this.vault.jobs.end(job.id, "succeeded", { timings: times });
      if (!first) return false;
      this.vault.steps.write(job.id);
      keep();
      inputIsRow = this.vault.content.drop("inputs", job.id);
      this.vault.audit.append({
        action: "job.succeeded",
        actor: this.own.id,
        subject: job.id,
        traceId: continueTrace(job.traceparent).traceId,
        details: { attempt, records: job.records, runs: runs.length },
      });
      noted = this.readers.noteAll(job.id);
      return true;
    });
    noted();
    this.changes.emit("attempt", attempt);
    this.changes.emit("job", job.id);
    if (ended && !inputIsRow) await this.vault.files.remove("inputs", job.id);
  }

  /** Ends an attempt without a new result, and its job where no other attempt may help. */
  end(id: string, outcome: { succeeded: boolean; retryable?: boolean; error?: Failure }) {
    const ended = this.vault.database.transaction(() => {
      const attempt = this.vault.attempts.end(id, outcome);
      if (!attempt) return undefined;
      this.vault.steps.write(attempt.job);
      this.vault.audit.append({
        action: outcome.succeeded ? "attempt.answered" : "attempt.failed",
        actor: this.own.id,
        subject: attempt.job,
        details: {
          attempt: id,
          revealed: attempt.revealed,
          reason: outcome.error?.reason ?? "",
          retryable: outcome.retryable ?? false,
        },
      });
      if (!outcome.succeeded && outcome.retryable) this.vault.jobs.move(attempt.job, "queued");
      else if (!outcome.succeeded) this.vault.jobs.end(attempt.job, "failed", { error: outcome.error });
      return attempt;
    });
    if (!ended) return;
    this.changes.emit("attempt", id);
    this.changes.emit("job", ended.job);
    if (hasEnded(this.vault.jobs.get(ended.job)!.state))
      this.vault.content
        .remove("inputs", ended.job)
        .catch((error: unknown) => this.logger.warn({ job: ended.job, err: error }, "input not removed"));
  }
}

/** Why an attempt of before a restart ends. */
export const LOST: Failure = {
  code: Code.ABORTED,
  reason: "ATTEMPT_LOST",
  message: "the access point was restarted during the attempt",
  hint: "The job is tried again.",
};

/** A result of the wrong length is a failure. */
export function requireLength(
  outcome: RunOutcome,
  plan: Plan,
  records: number,
  attempt: string,
  run: number,
): RunOutcome {
  if (!outcome.ok || outcome.output.length === records * 8 * sizeOf(plan.tensors[plan.output.tensor])) return outcome;
  return {
    ok: false,
    failure: {
      code: Code.INTERNAL,
      reason: "RESULT_LENGTH",
      message: `the worker's result of run ${run} of attempt ${attempt} has the wrong length`,
      hint: "Check that worker and access point have the same version.",
    },
    retryable: true,
    revealed: true,
  };
}

function sum(all: readonly Timings[]): Timings {
  const total = { onlineMicros: 0, bindMicros: 0, offlineMicros: 0, messages: 0, bytesP1ToP0: 0, bytesP0ToP1: 0 };
  for (const one of all) for (const key of Object.keys(total) as (keyof Timings)[]) total[key] += one[key];
  return total;
}
