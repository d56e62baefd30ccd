import { Batches } from "@parley/service-kit";
import { and, eq, inArray, lt, sql } from "drizzle-orm";
import { ACTOR, countEnd, tell, tellEnd } from "./job-events.js";
import { SUCCEED } from "./job-statements.js";
import type { JobRow, SchedulerDatabase, Transaction } from "./job-store.js";
import * as schema from "./schema.js";
import type { StoredFailure } from "./schema.js";

export type AttemptRow = typeof schema.attempts.$inferSelect;

/** How an attempt ended, as the access point reports it. */
export interface AttemptEnd {
  readonly succeeded: boolean;
  readonly retryable: boolean;
  readonly recordsRevealed: number;
  readonly onlineMicros: number;
  readonly error?: StoredFailure;
}

export type Start =
  | { readonly kind: "started"; readonly job: JobRow; readonly attempt: AttemptRow }
  /** The job has ended: nothing to do. */
  | { readonly kind: "ended" }
  /** A newer stream of the organisation exists. */
  | { readonly kind: "superseded" };

interface Success {
  readonly org: string;
  readonly jobId: string;
  readonly attemptId: string;
  readonly end: AttemptEnd;
}

const j = schema.jobs;
const t = schema.attempts;

/** Attempts. Every decision about a job is taken under the lock of its row. */
export class AttemptStore {
  private readonly successes = new Batches<Success, boolean>((reports) => this.succeedAll(reports));

  constructor(
    private readonly database: SchedulerDatabase,
    readonly maxAttempts: number,
  ) {}

  /** Starts an attempt on the stream with this epoch; an attempt of an older stream that is still open is lost. */
  async start(wish: { jobId: string; attemptId: string; epoch: number; ticketExpires: Date }): Promise<Start> {
    return this.database.db.transaction(async (tx): Promise<Start> => {
      const job = await lockJob(tx, wish.jobId);
      if (!job || !isLive(job)) return { kind: "ended" };
      // Fencing: the share lock makes a newer stream's claim wait, or shows it.
      const a = schema.attachments;
      const [live] = await tx.select().from(a).where(eq(a.organisationId, job.organisationId)).for("share");
      if (live?.epoch !== wish.epoch) return { kind: "superseded" };
      await lose(tx, job, [eq(t.jobId, job.id)]);
      if (job.attempts >= this.maxAttempts) {
        await giveUp(tx, job, job.error ?? EXHAUSTED);
        return { kind: "ended" };
      }
      const [attempt] = await tx
        .insert(t)
        .values({ id: wish.attemptId, jobId: job.id, epoch: wish.epoch, state: "open" })
        .returning();
      const [running] = await tx
        .update(j)
        .set({ state: "running", attempts: job.attempts + 1, lastTicketExpires: wish.ticketExpires })
        .where(eq(j.id, job.id))
        .returning();
      await tell(tx, running, "attempt.started", ACTOR, { attempt: attempt.id, number: running.attempts });
      return { kind: "started", job: running, attempt };
    });
  }

  /**
   * Takes a report, once per attempt. A success ends the job even where a later attempt is open: the result is there.
   * @returns "unknown" where the organisation has no such attempt; "ended" where with its only attempt the job succeeded
   */
  async report(org: string, jobId: string, attemptId: string, end: AttemptEnd): Promise<"unknown" | "taken" | "ended"> {
    if (end.succeeded && (await this.successes.run({ org, jobId, attemptId, end }))) return "ended";
    return (await this.reportAny(org, jobId, attemptId, end)) ? "taken" : "unknown";
  }

  private async succeedAll(reports: readonly Success[]): Promise<boolean[]> {
    const list = reports.map(({ org, jobId: job, attemptId: attempt, end }, n) => {
      return { n, org, job, attempt, revealed: end.recordsRevealed, micros: end.onlineMicros };
    });
    const rows = await this.database.query<{ n: number }>("scheduler-succeed", SUCCEED, [JSON.stringify(list)]);
    const done = new Set(rows.map(({ n }) => n));
    for (let n = 0; n < done.size; n++) {
      countEnd("attempt.succeeded");
      countEnd("job.succeeded");
    }
    return reports.map((_, n) => done.has(n));
  }

  private async reportAny(org: string, jobId: string, attemptId: string, end: AttemptEnd): Promise<boolean> {
    return this.database.db.transaction(async (tx) => {
      const job = await lockJob(tx, jobId);
      const [attempt] = await tx.select().from(t).where(eq(t.id, attemptId));
      if (!job || job.organisationId !== org || attempt?.jobId !== jobId) return false;
      if (attempt.reported) return true;
      const wasOpen = attempt.state === "open";
      const { recordsRevealed, onlineMicros, error = null } = end;
      await tx
        .update(t)
        .set({
          state: end.succeeded ? "succeeded" : "failed",
          reported: true,
          recordsRevealed,
          onlineMicros,
          error,
          endedAt: new Date(),
        })
        .where(eq(t.id, attemptId));
      const revealed = job.recordsRevealed + recordsRevealed;
      const [counted] = await tx.update(j).set({ recordsRevealed: revealed }).where(eq(j.id, jobId)).returning();
      await tell(tx, counted, `attempt.${end.succeeded ? "succeeded" : "failed"}`, org, {
        attempt: attemptId,
        recordsRevealed,
        ...(error && { reason: error.reason }),
      });
      if (!isLive(counted)) return true;
      if (end.succeeded) await succeed(tx, counted);
      else if (wasOpen) await this.afterFailure(tx, counted, error ?? UNEXPLAINED, end.retryable);
      return true;
    });
  }

  /** Ends an open attempt that nobody will report on: its stream broke, or the access point never took it. */
  async lose(attemptId: string, error: StoredFailure = LOST): Promise<void> {
    await this.database.db.transaction(async (tx) => {
      const [attempt] = await tx.select().from(t).where(eq(t.id, attemptId));
      const job = attempt && (await lockJob(tx, attempt.jobId));
      if (!job || (await lose(tx, job, [eq(t.id, attemptId)])) === 0 || !isLive(job)) return;
      await this.afterFailure(tx, job, error, true);
    });
  }

  /** All open attempts of streams before `epoch`: their replica may be gone. */
  async loseBefore(org: string, epoch: number): Promise<void> {
    const rows = await this.database.db
      .select({ id: t.id })
      .from(t)
      .innerJoin(j, eq(j.id, t.jobId))
      .where(and(eq(j.organisationId, org), eq(t.state, "open"), lt(t.epoch, epoch)));
    for (const { id } of rows) await this.lose(id);
  }

  /** Of these attempts, those that are open no more. */
  async endedOf(ids: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return [];
    const rows = await this.database.db
      .select({ id: t.id, state: t.state })
      .from(t)
      .where(inArray(t.id, [...ids]));
    return rows.filter(({ state }) => state !== "open").map(({ id }) => id);
  }

  /** Claims the place of the organisation's live stream. @returns its epoch, greater than all before */
  async claimStream(org: string): Promise<number> {
    const a = schema.attachments;
    const [row] = await this.database.db
      .insert(a)
      .values({ organisationId: org, epoch: 1 })
      .onConflictDoUpdate({ target: a.organisationId, set: { epoch: sql`${a.epoch} + 1` } })
      .returning();
    return row.epoch;
  }

  /** Epochs of the live streams of these organisations. */
  async liveStreams(orgs: readonly string[]): Promise<Map<string, number>> {
    const a = schema.attachments;
    const rows = await this.database.db
      .select()
      .from(a)
      .where(inArray(a.organisationId, [...orgs]));
    return new Map(rows.map(({ organisationId, epoch }) => [organisationId, epoch]));
  }

  private async afterFailure(tx: Transaction, job: JobRow, error: StoredFailure, retryable: boolean): Promise<void> {
    if (retryable && job.attempts < this.maxAttempts)
      await tx.update(j).set({ state: "queued", error, queuedAt: null }).where(eq(j.id, job.id));
    else await giveUp(tx, job, error, retryable);
  }
}

const isLive = (job: JobRow): boolean => job.state === "queued" || job.state === "running";

async function lockJob(tx: Transaction, id: string): Promise<JobRow | undefined> {
  const [row] = await tx.select().from(j).where(eq(j.id, id)).for("update");
  return row;
}

async function lose(tx: Transaction, job: JobRow, which: Parameters<typeof and>): Promise<number> {
  const rows = await tx
    .update(t)
    .set({ state: "lost", endedAt: new Date(), error: LOST })
    .where(and(eq(t.state, "open"), ...which))
    .returning();
  for (const { id } of rows) await tell(tx, job, "attempt.lost", ACTOR, { attempt: id });
  return rows.length;
}

async function succeed(tx: Transaction, job: JobRow): Promise<void> {
  const cancelled = { state: "cancelled" as const, endedAt: new Date() };
  await tx
    .update(t)
    .set(cancelled)
    .where(and(eq(t.jobId, job.id), eq(t.state, "open")));
  const ended = { state: "succeeded" as const, endedAt: new Date(), error: null };
  const [row] = await tx.update(j).set(ended).where(eq(j.id, job.id)).returning();
  await tellEnd(tx, row);
}

async function giveUp(tx: Transaction, job: JobRow, error: StoredFailure, deadLetter = true): Promise<void> {
  const ended = { state: "failed" as const, endedAt: new Date(), error, deadLetter };
  const [row] = await tx.update(j).set(ended).where(eq(j.id, job.id)).returning();
  await tellEnd(tx, row);
}

const ABORTED = 10;
const LOST: StoredFailure = {
  code: ABORTED,
  reason: "STREAM_BROKEN",
  message: "the connection to the data owner's access point broke during the attempt",
  hint: "Check that the access point runs and reaches the scheduler.",
};
export const UNACCEPTED: StoredFailure = {
  ...LOST,
  reason: "ATTEMPT_NOT_STORED",
  message: "the data owner's access point did not store the attempt in time",
  hint: "Check the access point's log and its disk.",
};
const EXHAUSTED: StoredFailure = { ...LOST, reason: "ATTEMPTS_EXHAUSTED", message: "every attempt failed" };
const UNEXPLAINED: StoredFailure = {
  ...LOST,
  reason: "UNKNOWN",
  message: "the attempt failed without a reason",
  hint: "",
};
