import { inArray } from "drizzle-orm";
import { CLAIM, TOLD } from "./job-statements.js";
import type { SchedulerDatabase } from "./job-store.js";
import * as schema from "./schema.js";

export type OutboxRow = Omit<typeof schema.auditOutbox.$inferSelect, "claimedUntil">;

const o = schema.auditOutbox;
const CLAIM_MS = 60_000;

/** Audit rows on their way. A row is claimed for a minute, sent, and removed; a crash in between may send it twice. */
export class OutboxStore {
  constructor(private readonly database: SchedulerDatabase) {}

  async claim(limit: number): Promise<OutboxRow[]> {
    return this.database.query<OutboxRow>("scheduler-claim", CLAIM, [limit, new Date(Date.now() + CLAIM_MS)]);
  }

  async remove(ids: readonly number[]): Promise<void> {
    if (ids.length > 0) await this.database.query("scheduler-told", TOLD, [ids]);
  }

  /** Gives claimed rows back at once, where sending failed. */
  async unclaim(ids: readonly number[]): Promise<void> {
    if (ids.length > 0)
      await this.database.db
        .update(o)
        .set({ claimedUntil: null })
        .where(inArray(o.id, [...ids]));
  }
}
