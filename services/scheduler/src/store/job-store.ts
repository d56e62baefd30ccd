import { changedRows, type Database } from "@parley/service-kit";
import { and, asc, desc, eq, gt, inArray, isNull, lt, sql } from "drizzle-orm";
import { tell, tellEnd } from "./job-events.js";
import * as schema from "./schema.js";

export type SchedulerDatabase = Database<typeof schema>;
export type Transaction = Parameters<Parameters<SchedulerDatabase["db"]["transaction"]>[0]>[0];
export type JobRow = typeof schema.jobs.$inferSelect;
export type JobStateName = JobRow["state"];
export type NewJob = Pick<
  JobRow,
  "id" | "organisationId" | "name" | "operation" | "assetId" | "agreementId" | "records" | "maxRecords" | "traceparent"
>;

const j = schema.jobs;
const LIVE = ["queued", "running"] as const;

/** Jobs and their life outside attempts. */
export class JobStore {
  constructor(private readonly database: SchedulerDatabase) {}

  /** First step of a job, before its quota is reserved. @returns false where the id is taken */
  async begin(job: NewJob): Promise<boolean> {
    const values = { ...job, modelOwner: "", agreementDigest: "", planDigest: "", state: "reserving" as const };
    return changedRows(await this.database.db.insert(j).values(values).onConflictDoNothing()) === 1;
  }

  /** Second step: the job exists from here on. @returns undefined where it was swept away meanwhile */
  async commit(
    id: string,
    terms: Pick<JobRow, "modelOwner" | "agreementDigest" | "planDigest">,
  ): Promise<JobRow | undefined> {
    return this.database.db.transaction(async (tx) => {
      const [row] = await tx
        .update(j)
        .set({ ...terms, state: "queued" })
        .where(and(eq(j.id, id), eq(j.state, "reserving")))
        .returning();
      if (row) await tell(tx, row, "job.created", row.organisationId, { records: row.records });
      return row;
    });
  }

  /** Takes back {@link begin}. */
  async discard(id: string): Promise<void> {
    await this.database.db.delete(j).where(and(eq(j.id, id), eq(j.state, "reserving")));
  }

  async get(id: string): Promise<JobRow | undefined> {
    const [row] = await this.database.db.select().from(j).where(eq(j.id, id));
    return row;
  }

  /** Of an organisation, newest first, older than `before` (ids sort by time). */
  async list(query: { org: string; state?: JobStateName; before?: string; limit: number }): Promise<JobRow[]> {
    const conditions = [eq(j.organisationId, query.org), sql`${j.state} <> 'reserving'`];
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
  async unreleased(limit: number): Promise<JobRow[]> {
    const ended = inArray(j.state, ["succeeded", "failed", "cancelled"]);
    return this.database.db
      .select()
      .from(j)
      .where(and(ended, eq(j.released, false)))
      .limit(limit);
  }

  async markReleased(id: string): Promise<void> {
    await this.database.db.update(j).set({ released: true }).where(eq(j.id, id));
  }

  /** Jobs whose creation was never finished. */
  async abandoned(before: Date): Promise<JobRow[]> {
    return this.database.db
      .select()
      .from(j)
      .where(and(eq(j.state, "reserving"), lt(j.createdAt, before)))
      .limit(100);
  }
}
