import { Code, ParleyError, type scheduler } from "@parley/proto";
import { Attachment, type AttachmentServices } from "./attachment.js";
import { attemptEnd } from "./attempt-end.js";
import type { JobQueue, QueueWorker } from "./job-queue.js";

interface Live {
  readonly attachment: Attachment;
  readonly worker: QueueWorker;
}

const superseded = () =>
  new ParleyError(
    Code.ABORTED,
    "STREAM_SUPERSEDED",
    "a newer stream of this organisation's access point is live",
    "Run one access point per organisation.",
  );

const draining = () =>
  new ParleyError(
    Code.UNAVAILABLE,
    "DRAINING",
    "this replica of the scheduler is shutting down",
    "Attach again: another one takes the stream.",
  );

/** How often it is looked whether all attempts have ended. */
const LOOK_MS = 20;

/** The live streams of this replica, at most one per organisation over all replicas. */
export class Attachments {
  readonly #live = new Map<string, Live>();
  readonly #opening = new Map<string, Promise<unknown>>();
  readonly #closing = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #draining = false;
  #closed = false;

  constructor(
    private readonly services: AttachmentServices,
    private readonly queue: JobQueue,
  ) {}

  start(everyMs: number): this {
    this.#timer = setInterval(() => {
      this.watch().catch((error: unknown) => this.services.logger.warn({ err: error }, "streams could not be checked"));
    }, everyMs);
    return this;
  }

  /**
   * Makes a stream the organisation's live one. In this order: (1) older streams can start nothing any more, (2) one that this
   * replica holds is ended, (3) attempts that finished meanwhile are recorded, (4) what older streams left open is lost,
   * (5) the queue is worked on. So a job whose result the access point holds is never run again.
   */
  open(org: string, hello: scheduler.AttachHello, signal: AbortSignal): Promise<Attachment> {
    const before = this.#opening.get(org) ?? Promise.resolve();
    const opening = before.catch(() => {}).then(() => this.openNext(org, hello, signal));
    this.#opening.set(org, opening);
    return opening.finally(() => {
      if (this.#opening.get(org) === opening) this.#opening.delete(org);
    });
  }

  private async openNext(org: string, hello: scheduler.AttachHello, signal: AbortSignal): Promise<Attachment> {
    const { attempts } = this.services;
    if (this.#draining) throw draining();
    const epoch = await attempts.claimStream(org);
    const older = this.#live.get(org);
    if (older) {
      older.attachment.end(superseded());
      await this.close(older.attachment);
    }
    const attachment = new Attachment(org, epoch, hello.concurrency, this.services);
    signal.addEventListener("abort", () => attachment.end(), { once: true });
    for (const report of hello.finished) await attempts.report(org, report.jobId, report.attemptId, attemptEnd(report));
    await attempts.loseBefore(org, epoch);
    this.services.onProgress();
    attachment.send({ $case: "ready", value: {} });
    for (const { attemptId } of hello.finished) attachment.send({ $case: "recorded", value: { attemptId } });
    if (this.#closed || signal.aborted) attachment.end();
    else {
      const worker = this.queue.work(
        org,
        hello.concurrency,
        (jobId) => attachment.run(jobId),
        () => attachment.noteDrained(),
      );
      this.#live.set(org, { attachment, worker });
    }
    return attachment;
  }

  /** The live stream of an organisation, where this replica holds it. */
  of(org: string): Attachment | undefined {
    return this.#live.get(org)?.attachment;
  }

  /** Ends a stream's work. */
  async close(attachment: Attachment): Promise<void> {
    attachment.end();
    const live = this.#live.get(attachment.org);
    if (live?.attachment !== attachment) return;
    this.#live.delete(attachment.org);
    const closing = live.worker.close();
    this.#closing.add(closing);
    await closing.finally(() => this.#closing.delete(closing));
  }

  /** An access point stops, or this replica: the stream brings no new attempts, and jobs wait in the queue for the next stream. */
  async drain(attachment: Attachment): Promise<void> {
    attachment.drain();
    const live = this.#live.get(attachment.org);
    if (live?.attachment === attachment) await live.worker.stop();
  }

  /** Takes no new streams, and waits until attempts under way have ended, for at most `ms`: they need not be made again. */
  async drainAll(ms: number): Promise<void> {
    this.#draining = true;
    const live = [...this.#live.values()].map(({ attachment }) => attachment);
    const stopped = Promise.all(live.map((attachment) => this.drain(attachment)));
    for (const until = Date.now() + ms; Date.now() < until && live.some(({ open }) => open.length > 0);)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    await stopped;
  }

  /** Stops the attempts of a job that ended otherwise, at once where they run on this replica. */
  async check(org: string): Promise<void> {
    const live = this.#live.get(org);
    if (live) await this.stopEnded(live.attachment);
  }

  async closeAll(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await Promise.all([...this.#live.values()].map(({ attachment }) => this.close(attachment)));
    // Also of streams that ended just now: jobs that their queue workers had go back before Redis is left.
    await Promise.all(this.#closing);
  }

  /** What other replicas did: newer streams, jobs cancelled. */
  private async watch(): Promise<void> {
    if (this.#live.size === 0) return;
    const epochs = await this.services.attempts.liveStreams([...this.#live.keys()]);
    for (const { attachment } of this.#live.values())
      if ((epochs.get(attachment.org) ?? 0) > attachment.epoch) attachment.end(superseded());
      else await this.stopEnded(attachment);
  }

  private async stopEnded(attachment: Attachment): Promise<void> {
    for (const id of await this.services.attempts.endedOf(attachment.open)) attachment.cancel(id, "the job has ended");
  }
}
