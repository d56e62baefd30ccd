import { Batches, type Database } from "@parley/service-kit";
import { and, asc, desc, eq, gt, inArray, isNull, sql } from "drizzle-orm";
import { tellEnd } from "./job-events.js";
import { CREATE, QUEUES, RELEASED, UNRELEASED, WAITING } from "./job-statements.js";
import * as schema from "./schema.js";

export type SchedulerDatabase = Database<typeof schema>;
export type Transaction = Parameters<Parameters<SchedulerDatabase["db"]["transaction"]>[0]>[0];
export type JobRow = typeof schema.jobs.$inferSelect;
export type JobStateName = JobRow["state"];
export type NewJob = Pick<
  JobRow,
  | "id"
  | "organisationId"
  | "modelOwner"
  | "name"
  | "operation"
  | "assetId"
  | "agreementId"
  | "agreementDigest"
  | "planDigest"
  | "records"
  | "maxRecords"
  | "traceparent"
>;

/** The attempt with which a job begins where its access point has a place for it. */
export interface FirstAttempt {
  readonly attemptId: string;
  /** Of the stream that it is for. */
  readonly epoch: number;
  readonly ticketExpires: Date;
}

export type UnreleasedJob = Pick<JobRow, "id" | "agreementId" | "attempts" | "lastTicketExpires">;

const j = schema.jobs;
const LIVE = ["queued", "running"] as const;

/** Jobs and their life outside attempts. */
export class JobStore {
  private readonly creations = new Batches<NewJob & Partial<FirstAttempt>, JobRow | undefined>((wishes) =>
    this.createAll(wishes),
  );

  constructor(private readonly database: SchedulerDatabase) {}

  /**
   * Creates a job, and with it its first attempt where one is given; jobs that come together share a statement and a commit.
   * @returns undefined where the id is taken
   */
  create(job: NewJob, first?: FirstAttempt): Promise<JobRow | undefined> {
    return this.creations.run({ ...job, ...first });
  }

  private async createAll(wishes: readonly (NewJob & Partial<FirstAttempt>)[]): Promise<(JobRow | undefined)[]> {
    const list = JSON.stringify(wishes.map((wish, n) => ({ n, ...wish })));
    const rows = await this.database.query<Pick<JobRow, "id" | "state" | "createdAt">>("scheduler-create", CREATE, [
      list,
    ]);
    const made = new Map(rows.map((row) => [row.id, row]));
    return wishes.map(({ attemptId: _a, epoch: _e, ticketExpires, ...job }) => {
      const row = made.get(job.id);
      made.delete(job.id); // the same id twice in one batch: the first is the job
      if (!row) return undefined;
      const isRunning = row.state === "running";
      return {
        ...job,
        ...row,
        attempts: isRunning ? 1 : 0,
        recordsRevealed: 0,
        error: null,
        deadLetter: false,
        endedAt: null,
        queuedAt: isRunning ? row.createdAt : null,
        lastTicketExpires: (isRunning && ticketExpires) || null,
        released: false,
      };
    });
  }

  async get(id: string): Promise<JobRow | undefined> {
    const [row] = await this.database.db.select().from(j).where(eq(j.id, id));
    return row;
  }

  /** Of an organisation, newest first, older than `before` (ids sort by time). */
  async list(query: { org: string; state?: JobStateName; before?: string; limit: number }): Promise<JobRow[]> {
    const conditions = [eq(j.organisationId, query.org)];
    if (query.state) conditions.push(eq(j.state, query.state));
    if (query.before) conditions.push(sql`${j.id} COLLATE "C" < ${query.before}`);
    return this.database.db
      .select()
      .from(j)
      .where(and(...conditions))
      .orderBy(desc(sql`${j.id} COLLATE "C"`))
      .limit(query.limit);
  }

  /** Cancels a job that lives; its open attempts with it. One that has ended stays as it is. */
  async cancel(id: string): Promise<JobRow | undefined> {
    return this.database.db.transaction(async (tx) => {
      const [row] = await tx
        .update(j)
        .set({ state: "cancelled", endedAt: new Date() })
        .where(and(eq(j.id, id), inArray(j.state, [...LIVE])))
        .returning();
      if (!row) return undefined;
      const t = schema.attempts;
      await tx
        .update(t)
        .set({ state: "cancelled", endedAt: new Date() })
        .where(and(eq(t.jobId, id), eq(t.state, "open")));
      await tellEnd(tx, row, row.organisationId);
      return row;
    });
  }

  async markQueued(ids: readonly string[]): Promise<void> {
    if (ids.length > 0)
      await this.database.db
        .update(j)
        .set({ queuedAt: new Date() })
        .where(inArray(j.id, [...ids]));
  }

  /** Jobs that live, by id after `after`; only those that no queue has taken, where so wanted. */
  async living(query: { after: string; unqueuedOnly: boolean; limit: number }): Promise<JobRow[]> {
    const conditions = [inArray(j.state, [...LIVE]), gt(j.id, query.after)];
    if (query.unqueuedOnly) conditions.push(isNull(j.queuedAt));
    return this.database.db
      .select()
      .from(j)
      .where(and(...conditions))
      .orderBy(asc(j.id))
      .limit(query.limit);
  }

  /** Ended jobs that agreements have not been told of. */
  unreleased(limit: number): Promise<UnreleasedJob[]> {
    return this.database.query<UnreleasedJob>("scheduler-unreleased", UNRELEASED, [limit]);
  }

  async markReleased(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.database.query("scheduler-released", RELEASED, [ids]);
  }

  /** Of these ids, those that are no job's. */
  async unknown(ids: readonly string[]): Promise<Set<string>> {
    if (ids.length === 0) return new Set();
    const rows = await this.database.db
      .select({ id: j.id })
      .from(j)
      .where(inArray(j.id, [...ids]));
    const known = new Set(rows.map(({ id }) => id));
    return new Set(ids.filter((id) => !known.has(id)));
  }

  /** What waits, per organisation. */
  queues(): Promise<{ organisation: string; jobs: number; oldestSeconds: number }[]> {
    return this.database.query("scheduler-queues", QUEUES, []);
  }

  /** Which of the sweeper's tasks have anything to do. */
  async waiting(): Promise<{ unqueued: boolean; unreleased: boolean; untold: boolean }> {
    const [row] = await this.database.query<{ unqueued: boolean; unreleased: boolean; untold: boolean }>(
      "scheduler-waiting",
      WAITING,
      [],
    );
    return row;
  }
}
