import type { Logger } from "@parley/service-kit";
import type { JobRow, JobStore } from "../store/job-store.js";
import type { OutboxStore } from "../store/outbox-store.js";
import type { AgreementsClient } from "./job-intake.js";
import type { JobQueue } from "./job-queue.js";

const PAGE = 500;

interface Settings {
  readonly everyMs: number;
  /** How often every living job is offered to the queue again, whatever the queue once took. */
  readonly fullEveryMs: number;
  /** After this time nobody works on the creation of a job any more; longer than its one call of 30 s. */
  readonly abandonedMs: number;
}

/** Brings about what the database says must come about: living jobs are queued, ended ones released, audit rows sent. */
export class Sweeper {
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #waiting = false;
  #fullDue = 0;

  constructor(
    private readonly jobs: JobStore,
    private readonly outbox: OutboxStore,
    private readonly queue: JobQueue,
    private readonly agreements: AgreementsClient,
    private readonly logger: Logger,
    private readonly settings: Settings,
  ) {}

  start(): this {
    this.queue.onReady(() => {
      this.#fullDue = 0; // Redis may have lost everything
      this.poke();
    });
    this.#timer = setInterval(() => this.poke(), this.settings.everyMs);
    return this;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#waiting = true;
    await this.#work;
  }

  /** Sweeps now, or after the sweep under way. */
  poke(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#work = this.#work.then(async () => {
      this.#waiting = false;
      for (const task of [() => this.requeue(), () => this.send(), () => this.release(), () => this.sweepAbandoned()])
        await task().catch((error: unknown) => this.logger.warn({ err: error }, "sweep failed, trying again"));
    });
  }

  private async requeue(): Promise<void> {
    if (!this.queue.ready) return;
    const isFull = performance.now() >= this.#fullDue;
    for (let after = ""; ;) {
      const page = await this.jobs.living({ after, unqueuedOnly: !isFull, limit: PAGE });
      for (const [org, jobs] of Map.groupBy(page, ({ organisationId }) => organisationId)) {
        const ids = jobs.map(({ id }) => id);
        if (!(await this.queue.add(org, ids))) return;
        await this.jobs.markQueued(jobs.filter(({ queuedAt }) => queuedAt === null).map(({ id }) => id));
      }
      if (page.length < PAGE) break;
      after = page[page.length - 1].id;
    }
    if (isFull) this.#fullDue = performance.now() + this.settings.fullEveryMs;
  }

  private async send(): Promise<void> {
    const rows = await this.outbox.claim(100);
    for (const [index, row] of rows.entries()) {
      const { id, action, actor, subject, traceId, details, organisations, at } = row;
      // `event` tells a row that was sent twice; the log sets its own time.
      const text = JSON.stringify({ ...details, event: id, occurred: at.toISOString() });
      const entry = { sequence: 0n, at: undefined, action, actor, subject, traceId, details: text };
      try {
        await this.agreements.appendAudit({ entry, organisations });
      } catch (error) {
        await this.outbox.unclaim(rows.slice(index).map((unsent) => unsent.id));
        throw error;
      }
      await this.outbox.remove(id);
    }
  }

  private async release(): Promise<void> {
    for (const job of await this.jobs.unreleased(PAGE)) {
      await this.tellReleased(job);
      await this.jobs.markReleased(job.id);
    }
  }

  private async sweepAbandoned(): Promise<void> {
    for (const job of await this.jobs.abandoned(new Date(Date.now() - this.settings.abandonedMs))) {
      await this.tellReleased(job);
      await this.jobs.discard(job.id);
    }
  }

  private async tellReleased({ id: jobId, agreementId, attempts, lastTicketExpires }: JobRow): Promise<void> {
    const ticket = { ticketsGiven: attempts, lastTicketExpires: lastTicketExpires ?? undefined };
    await this.agreements.release({ jobId, agreementId, ...ticket });
  }
}
