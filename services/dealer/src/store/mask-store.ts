import { changedRows } from "@parley/service-kit";
import { and, eq, gt, isNotNull, isNull, lt, or, sql } from "drizzle-orm";
import type { DealerDatabase } from "./organisation-store.js";
import { masks } from "./schema.js";

export type MaskRow = typeof masks.$inferSelect;

/** Masks and their sealed keys. */
export class MaskStore {
  constructor(private readonly database: DealerDatabase) {}

  async insert(mask: typeof masks.$inferInsert): Promise<void> {
    await this.database.db.insert(masks).values(mask);
  }

  /** A mask that batches may be dealt for: its key is there, it has not ended or expired. */
  async active(id: Buffer): Promise<MaskRow | undefined> {
    const usable = and(eq(masks.id, id), isNull(masks.endedAt), isNotNull(masks.sealed), gt(masks.expires, sql`now()`));
    const [row] = await this.database.db.select().from(masks).where(usable);
    return row;
  }

  /** Ends a mask of the model owner and erases its key. @returns false where there is none */
  async end(id: Buffer, org0: string): Promise<boolean> {
    const own = and(eq(masks.id, id), eq(masks.org0, org0));
    return (
      changedRows(
        await this.database.db
          .update(masks)
          .set({ sealed: null, endedAt: sql`coalesce(${masks.endedAt}, now())` })
          .where(own),
      ) === 1
    );
  }

  /** Erases keys of masks past their end. */
  async eraseExpired(): Promise<number> {
    const past = and(isNotNull(masks.sealed), or(isNotNull(masks.endedAt), lt(masks.expires, sql`now()`)));
    return changedRows(await this.database.db.update(masks).set({ sealed: null }).where(past));
  }
}
