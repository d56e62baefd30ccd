import { and, asc, eq, inArray, isNull, lt, or } from "drizzle-orm";
import type { SchedulerDatabase } from "./job-store.js";
import * as schema from "./schema.js";

export type OutboxRow = typeof schema.auditOutbox.$inferSelect;

const o = schema.auditOutbox;
const CLAIM_MS = 60_000;

/** Audit rows on their way. A row is claimed for a minute, sent, and removed; a crash in between may send it twice. */
export class OutboxStore {
  constructor(private readonly database: SchedulerDatabase) {}

  async claim(limit: number): Promise<OutboxRow[]> {
    return this.database.db.transaction(async (tx) => {
      const now = new Date();
      const free = await tx
        .select()
        .from(o)
        .where(or(isNull(o.claimedUntil), lt(o.claimedUntil, now)))
        .orderBy(asc(o.id))
        .limit(limit)
        .for("update", { skipLocked: true });
      if (free.length === 0) return [];
      const ids = free.map(({ id }) => id);
      await tx
        .update(o)
        .set({ claimedUntil: new Date(now.getTime() + CLAIM_MS) })
        .where(inArray(o.id, ids));
      return free;
    });
  }

  async remove(id: number): Promise<void> {
    await this.database.db.delete(o).where(eq(o.id, id));
  }

  /** Gives claimed rows back at once, where sending failed. */
  async unclaim(ids: readonly number[]): Promise<void> {
    if (ids.length > 0)
      await this.database.db
        .update(o)
        .set({ claimedUntil: null })
        .where(and(inArray(o.id, [...ids])));
  }
}
