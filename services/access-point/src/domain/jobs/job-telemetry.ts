import {
  count,
  isMetering,
  isTracing,
  knownReason,
  measure,
  continueTrace,
  recordSpan,
  shortModel,
  startSpan,
  type Span,
  type TraceContext,
} from "@parley/service-kit";
import { hasEnded, type StoredJob } from "../../store/jobs.js";
import type { Vault } from "../../store/vault.js";
import type { Changes } from "../changes.js";

/** Attempts whose end was told last: the event of one may come again. */
const MOST_TOLD = 1_000;

const attributesOf = ({ id, records, assetId }: Pick<StoredJob, "id" | "records" | "assetId">) => ({
  "parley.job.id": id,
  "parley.records": records,
  model: shortModel(assetId),
});

/**
 * Spans of jobs, and metrics of jobs and attempts. Their ends are taken from the store when something is said to have changed,
 * so that every way in which one ends counts, and counts once; jobs from before a restart as well.
 */
export class JobTelemetry {
  /** Jobs that have not ended, with their span where this process began it. */
  private readonly open = new Map<string, Span<"parley.job"> | undefined>();
  private readonly told = new Set<string>();

  constructor(
    private readonly vault: Vault,
    changes: Changes,
  ) {
    if (!isTracing() && !isMetering()) return;
    for (const { id } of vault.jobs.unended()) this.open.set(id, undefined);
    changes.on("job", (id) => this.look(id));
    changes.on("attempt", (id) => this.lookAtAttempt(id));
  }

  /** Begins a job's span at the time of its receipt. Returns the context in which all that is done for it goes on, also after a restart. */
  begin(job: Pick<StoredJob, "id" | "records" | "assetId" | "receivedAt">, parent: TraceContext): TraceContext {
    if (!isTracing()) {
      if (isMetering()) this.open.set(job.id, undefined);
      return parent;
    }
    const span = startSpan("parley.job", attributesOf(job), { parent, start: job.receivedAt * 1_000 });
    this.open.set(job.id, span);
    return span.context;
  }

  /** A job that was not stored, or that the router refused: it is forgotten. */
  refused(id: string, reason: string) {
    const span = this.open.get(id);
    if (!this.open.delete(id)) return;
    count("parley.job.ended", { outcome: "refused" });
    span?.set({ outcome: "refused" });
    span?.fail(reason);
    span?.end();
  }

  private look(id: string) {
    if (!this.open.has(id)) return;
    const job = this.vault.jobs.get(id);
    if (!job || !hasEnded(job.state)) return;
    const span = this.open.get(id);
    this.open.delete(id);
    const outcome = job.state;
    const context = span?.context ?? continueTrace(job.traceparent);
    count("parley.job.ended", { outcome });
    measure("parley.job.duration", (job.endedAt ?? job.receivedAt) - job.receivedAt, { outcome }, context);
    const failed = outcome === "failed" ? (job.error?.reason ?? outcome) : undefined;
    if (span) {
      span.set({ outcome });
      if (failed !== undefined) span.fail(failed);
      span.end();
    } else if (isTracing()) {
      // Begun before a restart: the same span, without the caller, whose call ended with the process.
      const start = job.receivedAt * 1_000;
      recordSpan("parley.job", { ...attributesOf(job), outcome }, { context, parent: context, start, failed });
    }
  }

  private lookAtAttempt(id: string) {
    if (this.told.has(id)) return;
    const attempt = this.vault.attempts.get(id);
    if (!attempt || attempt.state === "running") return;
    this.told.add(id);
    for (const oldest of this.told) {
      if (this.told.size <= MOST_TOLD) break;
      this.told.delete(oldest);
    }
    const reason = attempt.error ? knownReason(attempt.error.reason) : "";
    count("parley.attempt.ended", { outcome: attempt.state, reason });
  }
}
