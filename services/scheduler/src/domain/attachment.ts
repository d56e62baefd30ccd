import { newId } from "@parley/agreement";
import type { ParleyError, scheduler } from "@parley/proto";
import { continueTrace, isTracing, recordSpan, timeNow, type Logger } from "@parley/service-kit";
import { UNACCEPTED, type AttemptStore } from "../store/attempt-store.js";
import type { FirstAttempt, JobRow, JobStore } from "../store/job-store.js";
import { attemptEnd } from "./attempt-end.js";
import { TryAgain } from "./job-queue.js";
import { MessageQueue } from "@parley/service-kit";
import { Slots } from "./slots.js";
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

/** How the waiting for an attempt ends: with it the job ended, it is recorded as ended, lost with the stream, or was never accepted. */
type Outcome = "ended" | "recorded" | "lost" | "unaccepted";

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
  readonly #slots: Slots;
  /** Jobs that were given to the queue and have not come out of it. */
  readonly #queued = new Set<string>();
  #ended = false;
  #draining = false;

  constructor(
    readonly org: string,
    readonly epoch: number,
    /** Attempts at once. */
    concurrency: number,
    private readonly services: AttachmentServices,
  ) {
    this.#slots = new Slots(concurrency);
  }

  /** Attempts under way. */
  get open(): string[] {
    return [...this.#runs.keys()];
  }

  send(body: Message): void {
    this.outgoing.push({ body });
  }

  /** Runs a job out of the queue; a second call for one that is running comes back later. @throws TryAgain */
  async run(jobId: string): Promise<void> {
    this.#queued.delete(jobId);
    if (this.#jobs.has(jobId)) throw new TryAgain("the job is running");
    this.#jobs.add(jobId);
    await this.#slots.take();
    await this.runAttempt(jobId).finally(() => {
      this.#slots.give();
      this.#jobs.delete(jobId);
    });
  }

  /** Sends no new attempts; those under way go on. */
  drain(): void {
    this.#draining = true;
  }

  /** A job waits in the queue: those that come later must not overtake it. */
  noteQueued(jobId: string): void {
    this.#queued.add(jobId);
  }

  /** Nothing waits in the queue any more. */
  noteDrained(): void {
    this.#queued.clear();
  }

  /**
   * A place for a job that is about to be created, where one is free and no job waits for it: the job begins with its attempt,
   * and its order leaves as soon as both are committed. The caller calls {@link begin} or {@link giveBack}.
   */
  tryReserve(now = new Date()): FirstAttempt | undefined {
    if (this.#ended || this.#draining || this.#queued.size > 0 || !this.#slots.tryTake()) return undefined;
    return { attemptId: newId("att"), epoch: this.epoch, ticketExpires: this.services.tickets.expiryAt(now) };
  }

  giveBack(): void {
    this.#slots.give();
  }

  /** Runs the attempt with which a job was created. @returns true where the job must be tried again */
  async begin(job: JobRow, { attemptId, ticketExpires }: FirstAttempt): Promise<boolean> {
    this.#jobs.add(job.id);
    try {
      await this.order(job, attemptId, ticketExpires);
      return false;
    } catch (error) {
      if (!(error instanceof TryAgain))
        this.services.logger.warn({ job: job.id, err: error }, "attempt could not be run");
      return true;
    } finally {
      this.#jobs.delete(job.id);
      this.#slots.give();
    }
  }

  private async runAttempt(jobId: string): Promise<void> {
    const { attempts, tickets } = this.services;
    if (this.#ended || this.#draining) throw new TryAgain("the stream has ended, or is about to");
    const ticketExpires = tickets.expiryAt(new Date());
    const wish = { jobId, attemptId: newId("att"), epoch: this.epoch, ticketExpires };
    const start = await attempts.start(wish);
    if (start.kind === "superseded") throw new TryAgain("a newer stream is live");
    if (start.kind === "ended") return this.services.onProgress();
    await this.order(start.job, start.attempt.id, ticketExpires);
  }

  /** Sends an attempt that is recorded as open, and waits for its end. @throws TryAgain */
  private async order(job: JobRow, attemptId: string, ticketExpires: Date): Promise<void> {
    const { attempts, tickets, jobs } = this.services;
    let ticket: string;
    try {
      ticket = tickets.issue(job, attemptId, ticketExpires);
    } catch (error) {
      await attempts.lose(attemptId);
      throw error;
    }
    const { id: jobId, traceparent } = job;
    if (isTracing()) recordWait(job, attemptId);
    const outcome = await this.wait(jobId, attemptId, { jobId, attemptId, ticket, traceparent });
    if (outcome === "ended") return;
    if (outcome === "lost") await attempts.lose(attemptId);
    if (outcome === "unaccepted") await attempts.lose(attemptId, UNACCEPTED);
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
    if (known === "unknown")
      this.services.logger.warn({ org: this.org, job: jobId, attempt: attemptId }, "report of an unknown attempt");
    this.send({ $case: "recorded", value: { attemptId } });
    this.#runs.get(attemptId)?.end(known === "ended" ? "ended" : "recorded");
    this.services.onProgress();
    if (known === "ended") return; // no other attempt was ever started
    // The same job under a later attempt: its result is there already.
    const job = await this.services.jobs.get(jobId);
    if (job?.state === "succeeded")
      for (const [other, run] of this.#runs)
        if (run.jobId === jobId) this.cancel(other, "the job has its result", "recorded");
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

/** The job's wait for this attempt, which ends now, as a span. By the database's clock, but never the wrong way round. */
function recordWait({ id, organisationId: organisation, traceparent, queuedAt, createdAt }: JobRow, attempt: string) {
  const end = timeNow();
  recordSpan(
    "parley.queue",
    { "parley.job.id": id, "parley.attempt.id": attempt, organisation },
    { parent: continueTrace(traceparent), start: Math.min((queuedAt ?? createdAt).getTime(), end), end },
  );
}
