import { newId } from "@parley/agreement";
import type { ParleyError, scheduler } from "@parley/proto";
import type { Logger } from "@parley/service-kit";
import { UNACCEPTED, type AttemptStore } from "../store/attempt-store.js";
import type { JobStore } from "../store/job-store.js";
import { attemptEnd } from "./attempt-end.js";
import { TryAgain } from "./job-queue.js";
import { MessageQueue } from "@parley/service-kit";
import type { TicketIssuer } from "./ticket-issuer.js";

type Message = NonNullable<scheduler.AttachResponse["body"]>;

export interface AttachmentServices {
  readonly jobs: JobStore;
  readonly attempts: AttemptStore;
  readonly tickets: TicketIssuer;
  readonly logger: Logger;
  /** How long an access point may take to say that it has stored an attempt, milliseconds. */
  readonly acceptMs: number;
  /** Called when a job may have ended. */
  readonly onProgress: () => void;
}

/** How the waiting for an attempt ends: it is recorded as ended, lost with the stream, or was never accepted. */
type Outcome = "recorded" | "lost" | "unaccepted";

interface Run {
  readonly jobId: string;
  readonly end: (how: Outcome) => void;
  readonly acceptTimer: NodeJS.Timeout;
}

/** A live stream of an access point: sends attempts down, takes reports. An attempt belongs to one stream and is lost with it. */
export class Attachment {
  readonly outgoing = new MessageQueue<scheduler.AttachResponse>();
  /** Why the scheduler ended the stream; absent where the access point did. */
  reason: ParleyError | undefined;
  readonly #runs = new Map<string, Run>();
  readonly #jobs = new Set<string>();
  #ended = false;

  constructor(
    readonly org: string,
    readonly epoch: number,
    private readonly services: AttachmentServices,
  ) {}

  /** Attempts under way. */
  get open(): string[] {
    return [...this.#runs.keys()];
  }

  send(body: Message): void {
    this.outgoing.push({ body });
  }

  /** Runs a job; a second call for one that is running, after Redis lost its queue, comes back later. @throws TryAgain */
  async run(jobId: string): Promise<void> {
    if (this.#jobs.has(jobId)) throw new TryAgain("the job is running");
    this.#jobs.add(jobId);
    await this.runAttempt(jobId).finally(() => this.#jobs.delete(jobId));
  }

  private async runAttempt(jobId: string): Promise<void> {
    const { attempts, tickets, jobs } = this.services;
    if (this.#ended) throw new TryAgain("the stream has ended");
    const now = new Date();
    const wish = { jobId, attemptId: newId("att"), epoch: this.epoch, ticketExpires: tickets.expiryAt(now) };
    const start = await attempts.start(wish);
    if (start.kind === "superseded") throw new TryAgain("a newer stream is live");
    if (start.kind === "ended") return this.services.onProgress();
    const { job, attempt } = start;
    const ticket = await tickets.issue(job, attempt.id, now).catch(async (error: unknown) => {
      await attempts.lose(attempt.id);
      throw error;
    });
    const order = { jobId, attemptId: attempt.id, ticket, traceparent: job.traceparent };
    const outcome = await this.wait(jobId, attempt.id, order);
    if (outcome === "lost") await attempts.lose(attempt.id);
    if (outcome === "unaccepted") await attempts.lose(attempt.id, UNACCEPTED);
    this.services.onProgress();
    const after = await jobs.get(jobId);
    if (after?.state === "queued" || after?.state === "running") throw new TryAgain("the attempt failed");
  }

  private wait(jobId: string, attemptId: string, order: scheduler.AttemptOrder): Promise<Outcome> {
    return new Promise((resolve) => {
      const end = (how: Outcome) => {
        clearTimeout(acceptTimer);
        this.#runs.delete(attemptId);
        resolve(how);
      };
      const acceptTimer = setTimeout(
        () => this.cancel(attemptId, "it was not accepted in time", "unaccepted"),
        this.services.acceptMs,
      );
      this.#runs.set(attemptId, { jobId, end, acceptTimer });
      if (this.#ended) end("lost");
      else this.send({ $case: "attempt", value: order });
    });
  }

  accepted({ attemptId }: scheduler.AttemptAccepted): void {
    clearTimeout(this.#runs.get(attemptId)?.acceptTimer);
  }

  /** Records a report and acknowledges it, also one of an attempt that is not known: the access point may forget it. */
  async reported(report: scheduler.AttemptReport): Promise<void> {
    const { jobId, attemptId } = report;
    const known = await this.services.attempts.report(this.org, jobId, attemptId, attemptEnd(report));
    if (!known)
      this.services.logger.warn({ org: this.org, job: jobId, attempt: attemptId }, "report of an unknown attempt");
    this.send({ $case: "recorded", value: { attemptId } });
    this.#runs.get(attemptId)?.end("recorded");
    // The same job under a later attempt: its result is there already.
    const job = await this.services.jobs.get(jobId);
    if (job?.state === "succeeded")
      for (const [other, run] of this.#runs)
        if (run.jobId === jobId) this.cancel(other, "the job has its result", "recorded");
    this.services.onProgress();
  }

  /** Tells the access point to stop an attempt, and stops waiting for it. */
  cancel(attemptId: string, reason: string, how: Outcome = "recorded"): void {
    const run = this.#runs.get(attemptId);
    if (!run) return;
    this.send({ $case: "cancel", value: { attemptId, reason } });
    run.end(how);
  }

  /** Ends the stream; what is under way is lost. */
  end(reason?: ParleyError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.reason = reason;
    for (const run of [...this.#runs.values()]) run.end("lost");
    this.outgoing.end();
  }
}
