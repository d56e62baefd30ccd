import { cutRuns, sizeOf, type Plan } from "@parley/plan";
import { Code, ParleyError, fromServiceError, type scheduler } from "@parley/proto";
import {
  continueTrace,
  currentTrace,
  startSpan,
  timeNow,
  traceparentOf,
  withTrace,
  type Logger,
  type Span,
} from "@parley/service-kit";
import { seconds } from "../../store/database.js";
import { hasEnded, type Failure, type StoredJob } from "../../store/jobs.js";
import type { Vault } from "../../store/vault.js";
import type { Changes } from "../changes.js";
import type { Dispatcher, RunOutcome } from "../fleet/dispatcher.js";
import type { PartnerEndpoints } from "../fleet/partner-endpoints.js";
import type { Stock } from "../fleet/stock.js";
import { isCurrent } from "../../store/agreements.js";
import { pause } from "../pause.js";
import { placeRunSteps } from "../trace/run-steps.js";
import { planOf } from "../plans.js";
import { precondition } from "../refusal.js";
import type { Tickets } from "../tickets.js";
import { LOST, requireLength, type Outcomes } from "./outcomes.js";

/** How long after a start an attempt from before may still be finished by a worker that kept its result. */
const ORPHAN_MS = 15_000;

/** After this time the scheduler is told that an attempt is stored; by then most have ended, and been reported. */
const ACCEPT_MS = 250;

/** How long an attempt waits for a worker of the partner. */
const PARTNER_MS = 20_000;

export type AttemptReport = Omit<scheduler.AttemptReport, "onlineMicros"> & { onlineMicros: bigint };

const failureOf = (error: ParleyError): Failure => ({
  code: error.code,
  reason: error.reason,
  message: error.message,
  hint: error.hint,
});

/**
 * Runs attempts of jobs that this access point submitted itself. What the scheduler sends is checked against the own store and
 * the agreement: an order for an unknown job, or with a ticket that differs in anything, is refused. A job whose result is held
 * is never run again.
 */
export class AttemptRunner {
  private readonly startedAt = performance.now();
  private closed = false;
  private readonly running = new Map<string, { readonly job: string; readonly done: Promise<void> }>();

  constructor(
    private readonly vault: Vault,
    private readonly tickets: Tickets,
    private readonly dispatcher: Dispatcher,
    private readonly stock: Stock,
    private readonly endpoints: PartnerEndpoints,
    private readonly outcomes: Outcomes,
    private readonly changes: Changes,
    private readonly logger: Logger,
    private readonly org: string,
  ) {}

  /**
   * Takes an order. Resolves with a report where it is refused without a trace in the store; otherwise the attempt runs on, and
   * its report is in the store when it has ended. `accepted` is called once the attempt is stored.
   */
  async take(order: scheduler.AttemptOrder, accepted: () => void): Promise<AttemptReport | undefined> {
    // The own store knows the job's trace; what the router says of it counts where the job is not known here.
    const traceparent = this.vault.jobs.get(order.jobId)?.traceparent ?? order.traceparent;
    const parent = continueTrace(traceparent || undefined);
    const receivedAt = timeNow();
    return withTrace(parent, async () => {
      const known = this.vault.attempts.get(order.attemptId);
      if (known) {
        if (known.job !== order.jobId)
          return this.refuse(order, precondition("ATTEMPT_DIFFERS", "the attempt belongs to another job"));
        accepted();
        if (known.state !== "running") this.changes.emit("attempt", known.id);
        else if (!this.running.has(known.id))
          this.outcomes.end(known.id, { succeeded: false, retryable: true, error: LOST });
        return undefined;
      }
      let plan: Plan;
      let runs: number[];
      const job = this.vault.jobs.get(order.jobId);
      try {
        if (!job)
          throw precondition(
            "JOB_UNKNOWN",
            `job ${order.jobId} was not submitted at this access point`,
            "Submit jobs through the access point.",
          );
        const asked = seconds();
        ({ plan, runs } = await this.check(order, job));
        this.steps.noteSince(job.id, asked, { ...this.own, name: "ticket", attempt: order.attemptId });
      } catch (caught) {
        return this.refuse(order, fromServiceError(caught));
      }
      // Attempt and start are one commit, unless another attempt of the job must end first.
      const stored = await this.vault.group.run(() => {
        const isFree = !this.vault.attempts.ofJob(job.id).some(({ state }) => state === "running");
        if (!this.vault.attempts.add({ id: order.attemptId, job: job.id, ticket: order.ticket })) return "known";
        return isFree && this.mayStart(job.id) ? this.start(job.id, order.attemptId, runs) : "added";
      });
      if (stored === "known") return undefined;
      const patience = setTimeout(accepted, ACCEPT_MS); // a report that comes sooner says it as well
      const attributes = { "parley.job.id": job.id, "parley.attempt.id": order.attemptId, "parley.runs": runs.length };
      const span = startSpan("parley.attempt", attributes, { parent, start: receivedAt });
      const execute = () => this.execute(job.id, order, plan, runs, stored === "started");
      const done = withTrace(span.context, execute).finally(() => {
        clearTimeout(patience);
        this.running.delete(order.attemptId);
        this.steps.noteSince(job.id, receivedAt / 1000, { ...this.own, name: "attempt", attempt: order.attemptId });
        this.endSpan(span, order.attemptId);
      });
      this.running.set(order.attemptId, { job: job.id, done });
      return undefined;
    });
  }

  private get steps() {
    return this.vault.steps;
  }

  private get own() {
    return { actor: "access-point", organisation: this.org } as const;
  }

  private endSpan(span: Span<"parley.attempt">, attempt: string) {
    if (!span.isRecording) return;
    const ended = this.vault.attempts.get(attempt);
    span.set({ outcome: ended?.state ?? "failed" });
    if (ended?.error) span.fail(ended.error.reason);
    span.end();
  }

  /** The access point stops: what runs stays as it is in the store, for the next start. */
  close() {
    this.closed = true;
  }

  /** Stops an attempt; it ends as failed when its runs have ended. */
  cancel(attempt: string, why: string) {
    this.dispatcher.cancel(attempt, {
      code: Code.CANCELLED,
      reason: "CANCELLED",
      message: `attempt ${attempt} was cancelled${why ? `: ${why}` : ""}`,
      hint: "",
    });
  }

  cancelJob(job: string) {
    for (const [attempt, entry] of this.running) if (entry.job === job) this.cancel(attempt, "the job was cancelled");
  }

  /** Resolves when the outcome of a run that was awaited is on disk, or its attempt has ended. */
  async stored(attempt: string, run: number): Promise<void> {
    for (let entry = this.running.get(attempt); entry; entry = this.running.get(attempt)) {
      if (this.vault.attempts.hasRun(attempt, run)) return;
      const { done } = entry;
      await new Promise<void>((resolve) => {
        const onJob = () => {
          this.changes.off("job", onJob);
          resolve();
        };
        this.changes.on("job", onJob);
        done.then(onJob, onJob);
      });
    }
  }

  /** A result for a run that nobody waits for: kept, so that what was revealed is counted, and perhaps the last one missing. */
  async late(attemptId: string, run: number, outcome: RunOutcome): Promise<void> {
    const attempt = this.vault.attempts.get(attemptId);
    const job = attempt && this.vault.jobs.get(attempt.job);
    const agreement = job && this.vault.agreements.byDigest(job.agreement);
    if (!attempt || !job || !agreement || attempt.state !== "running" || this.running.has(attemptId)) return;
    const plan = planOf(agreement);
    const runs = cutRuns(job.records, plan.maxRecords);
    if (runs[run] === undefined) return;
    this.outcomes.keep(attemptId, run, runs[run], outcome);
    if (!outcome.ok)
      return this.outcomes.end(attemptId, { succeeded: false, retryable: outcome.retryable, error: outcome.failure });
    const kept = this.vault.attempts.runs(attemptId);
    if (kept.length === runs.length && kept.every(({ output }) => output !== undefined))
      await this.outcomes.succeed(job, attemptId, plan, runs);
  }

  private async check(order: scheduler.AttemptOrder, job: StoredJob): Promise<{ plan: Plan; runs: number[] }> {
    const agreement = this.vault.agreements.byDigest(job.agreement);
    if (!agreement) throw precondition("AGREEMENT_UNKNOWN", `the agreement of job ${job.id} is not held here`);
    const plan = planOf(agreement);
    const runs = cutRuns(job.records, plan.maxRecords);
    // A result that is held needs no permission any more.
    if (job.state === "succeeded") return { plan, runs };
    const claims = await this.tickets.verify(order.ticket);
    this.tickets.requireFits(claims, agreement, { job: job.id, attempt: order.attemptId });
    if (claims.runs.join() !== runs.join())
      throw precondition(
        "TICKET_DIFFERS",
        `the ticket of attempt ${order.attemptId} cuts job ${job.id} into other runs than its plan says`,
      );
    return { plan, runs };
  }

  private refuse(order: scheduler.AttemptOrder, error: ParleyError): AttemptReport {
    this.logger.warn(
      { job: order.jobId, attempt: order.attemptId, reason: error.reason, why: error.message },
      "attempt refused",
    );
    this.vault.audit.append({
      action: "attempt.refused",
      actor: "router/scheduler",
      subject: order.jobId.slice(0, 64),
      details: { attempt: order.attemptId.slice(0, 64), reason: error.reason },
    });
    return {
      jobId: order.jobId,
      attemptId: order.attemptId,
      succeeded: false,
      recordsRevealed: 0,
      error: failureOf(error),
      retryable: error.code === Code.UNAVAILABLE || error.reason === "ATTEMPT_TICKET_INVALID",
      onlineMicros: 0n,
    };
  }

  private mayStart(jobId: string): boolean {
    const job = this.vault.jobs.get(jobId);
    const agreement = job && this.vault.agreements.byDigest(job.agreement);
    return agreement !== undefined && !hasEnded(job!.state) && isCurrent(agreement);
  }

  /** In a transaction. */
  private start(jobId: string, attempt: string, runs: number[]): "started" {
    const { traceparent, records } = this.vault.jobs.get(jobId)!;
    this.vault.jobs.move(jobId, "running");
    this.vault.audit.append({
      action: "attempt.started",
      actor: "router/scheduler",
      subject: jobId,
      traceId: continueTrace(traceparent).traceId,
      details: { attempt, runs: runs.length, records },
    });
    return "started";
  }

  private async execute(
    jobId: string,
    order: scheduler.AttemptOrder,
    plan: Plan,
    runs: number[],
    isStarted: boolean,
  ): Promise<void> {
    const attempt = order.attemptId;
    try {
      if (!isStarted) await this.settleOlder(jobId, attempt);
      const job = this.vault.jobs.get(jobId)!;
      if (job.state === "succeeded") return this.outcomes.end(attempt, { succeeded: true });
      if (hasEnded(job.state))
        return this.outcomes.end(attempt, {
          succeeded: false,
          error: { ...LOST, reason: "JOB_ENDED", message: `job ${jobId} is ${job.state}` },
        });
      const agreement = this.vault.agreements.byDigest(job.agreement)!;
      if (!isCurrent(agreement))
        throw precondition(
          "AGREEMENT_NOT_ACTIVE",
          `agreement ${agreement.id} is not in force any more`,
          "Ask the model owner for a new one.",
        );
      if (!isStarted) await this.vault.group.run(() => this.start(jobId, attempt, runs));
      this.changes.emit("job", jobId);
      for (const records of new Set(runs)) this.stock.noteDemand(job.agreement, records);
      this.changes.emit("demand");
      await this.endpoints.require(agreement.partner, PARTNER_MS);
      await this.executeRuns(job, order, plan, runs);
    } catch (caught) {
      if (this.closed) return;
      if (!(caught instanceof ParleyError)) this.logger.error({ job: jobId, attempt, err: caught }, "attempt failed");
      const error = fromServiceError(caught);
      const hidden =
        caught instanceof ParleyError
          ? error
          : new ParleyError(Code.INTERNAL, "INTERNAL", "internal error", "See the access point's log.");
      this.outcomes.end(attempt, {
        succeeded: false,
        retryable: error.code === Code.UNAVAILABLE,
        error: failureOf(hidden),
      });
    }
  }

  private async executeRuns(job: StoredJob, order: scheduler.AttemptOrder, plan: Plan, runs: number[]) {
    const attempt = order.attemptId;
    const bytes = 8 * sizeOf(plan.tensors[0]);
    const traceparent = traceparentOf(currentTrace() ?? continueTrace(job.traceparent));
    const input = this.vault.content.read("inputs", job.id);
    input.catch(() => {}); // told by each run
    let first = 0;
    let failed: (RunOutcome & { ok: false }) | undefined;
    const all = runs.map(async (records, run) => {
      const from = first * bytes;
      first += records;
      let sent = seconds();
      const outcome = await this.dispatcher.run({
        job: job.id,
        attempt,
        run,
        records,
        agreement: job.agreement,
        order: async () => {
          const given = (await input).subarray(from, from + records * bytes);
          sent = seconds();
          return {
            ticket: order.ticket,
            jobId: job.id,
            attemptId: attempt,
            run,
            records,
            agreementDigest: Buffer.from(job.agreement, "hex"),
            input: given,
            traceparent,
          };
        },
      });
      this.noteRun(job, attempt, run, sent, outcome);
      const checked = requireLength(outcome, plan, records, attempt, run);
      // The only run's output goes to its file at once, not through the table first.
      if (runs.length > 1 || !checked.ok) this.outcomes.keep(attempt, run, records, checked);
      if (!checked.ok && !failed) {
        failed = checked;
        this.dispatcher.cancel(attempt, checked.failure);
      }
      this.changes.emit("job", job.id);
      return checked;
    });
    const outcomes = await Promise.all(all);
    if (failed)
      return this.outcomes.end(attempt, { succeeded: false, retryable: failed.retryable, error: failed.failure });
    const [only] = outcomes;
    const ended = seconds();
    await this.outcomes.succeed(job, attempt, plan, runs, runs.length === 1 && only.ok ? only : undefined);
    this.steps.noteSince(job.id, ended, { ...this.own, name: "result stored", attempt });
  }

  private noteRun(job: StoredJob, attempt: string, run: number, sent: number, outcome: RunOutcome) {
    const received = seconds();
    this.steps.noteSince(job.id, sent, { ...this.own, name: outcome.ok ? "run" : "run failed", attempt, run });
    if (!outcome.ok || !outcome.steps) return;
    const { timings, steps } = outcome;
    const server = this.vault.agreements.byDigest(job.agreement)?.partner ?? "";
    this.steps.note(
      job.id,
      ...placeRunSteps(steps, { sent, received, timings, attempt, run, client: this.org, server }),
    );
  }

  /** Another attempt of the job may be under way, or its result on a worker: its end decides whether this one must run. */
  private async settleOlder(job: string, attempt: string) {
    for (const older of this.vault.attempts.ofJob(job)) {
      if (older.id === attempt || older.state !== "running") continue;
      const entry = this.running.get(older.id);
      if (entry) {
        await entry.done;
        continue;
      }
      const until = this.startedAt + ORPHAN_MS;
      while (performance.now() < until && this.vault.attempts.get(older.id)?.state === "running") await pause(100);
      this.outcomes.end(older.id, { succeeded: false, retryable: true, error: LOST });
    }
  }
}
