import { withoutTrace, type Logger } from "@parley/service-kit";
import type { JobStore, UnreleasedJob } from "../store/job-store.js";
import type { OutboxRow, OutboxStore } from "../store/outbox-store.js";
import type { AgreementsClient } from "./job-intake.js";
import type { JobQueue } from "./job-queue.js";

/** At most what agreements take in one call. */
const PAGE = 1_000;
/** How long what jobs leave behind is gathered; nobody waits for it. */
const GATHER_MS = 250;

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
  #soon: NodeJS.Timeout | undefined;
  #fullDue = 0;
  #abandonedDue = 0;

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
    clearTimeout(this.#soon);
    this.#waiting = true;
    await this.#work;
  }

  /** Sweeps in a moment, so that what many jobs leave behind is done at once. */
  poke(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    const sweep = () => {
      this.#work = this.#work.then(async () => {
        this.#waiting = false;
        await this.sweep().catch((error: unknown) => this.logger.warn({ err: error }, "sweep failed, trying again"));
      });
    };
    this.#soon = withoutTrace(() => setTimeout(sweep, GATHER_MS)); // for many jobs, not for the one that asked first
  }

  private async sweep(): Promise<void> {
    const { unqueued, unreleased, untold } = await this.jobs.waiting();
    const now = performance.now();
    const isFull = now >= this.#fullDue;
    const tasks = [
      (unqueued || isFull) && (() => this.requeue(isFull)),
      untold && (() => this.send()),
      unreleased && (() => this.release()),
      now >= this.#abandonedDue && (() => this.takeBackAbandoned()),
    ];
    for (const task of tasks)
      if (task) await task().catch((error: unknown) => this.logger.warn({ err: error }, "sweep failed, trying again"));
  }

  private async requeue(isFull: boolean): Promise<void> {
    if (!this.queue.ready) return;
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
    for (let isMore = true; isMore;) {
      const rows = await this.outbox.claim(PAGE);
      if (rows.length === 0) return;
      isMore = rows.length === PAGE;
      const ids = rows.map(({ id }) => id);
      try {
        await this.agreements.appendAudit({ notes: rows.map(noteOf) });
      } catch (error) {
        await this.outbox.unclaim(ids);
        throw error;
      }
      await this.outbox.remove(ids);
    }
  }

  private async release(): Promise<void> {
    for (let isMore = true; isMore;) {
      const jobs = await this.jobs.unreleased(PAGE);
      if (jobs.length === 0) return;
      isMore = jobs.length === PAGE;
      await this.agreements.release({ jobs: jobs.map(releaseOf) });
      await this.jobs.markReleased(jobs.map(({ id }) => id));
    }
  }

  /** Reservations whose job never came to be: its creation ended between the two. */
  private async takeBackAbandoned(): Promise<void> {
    const before = new Date(Date.now() - this.settings.abandonedMs);
    for (let after = ""; ;) {
      const { reservations } = await this.agreements.listReservations({ before, after });
      const unknown = await this.jobs.unknown(reservations.map(({ jobId }) => jobId));
      const jobs = reservations
        .filter(({ jobId }) => unknown.has(jobId))
        .map((reservation) => ({ ...reservation, ticketsGiven: 0, lastTicketExpires: undefined }));
      if (jobs.length > 0) await this.agreements.release({ jobs });
      if (reservations.length < PAGE) break;
      after = reservations[reservations.length - 1].jobId;
    }
    this.#abandonedDue = performance.now() + Math.min(this.settings.fullEveryMs, this.settings.abandonedMs);
  }
}

function noteOf({ id, action, actor, subject, traceId, details, organisations, at }: OutboxRow) {
  // `event` tells a row that was sent twice; the log sets its own time.
  const text = JSON.stringify({ ...details, event: id, occurred: at.toISOString() });
  return { entry: { sequence: 0n, at: undefined, action, actor, subject, traceId, details: text }, organisations };
}

const releaseOf = ({ id: jobId, agreementId, attempts, lastTicketExpires }: UnreleasedJob) => ({
  jobId,
  agreementId,
  ticketsGiven: attempts,
  lastTicketExpires: lastTicketExpires ?? undefined,
});
