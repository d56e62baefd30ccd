import { changedRows } from "@parley/service-kit";
import { and, eq, gt, inArray, isNotNull, isNull, lt, or, sql } from "drizzle-orm";
import type { DealerDatabase } from "./organisation-store.js";
import { masks, organisations } from "./schema.js";
import { presentSealingKey } from "./sealed-keys.js";

export type MaskRow = typeof masks.$inferSelect;

/** Masks and their sealed keys. */
export class MaskStore {
  constructor(private readonly database: DealerDatabase) {}

  /** @param make gives the row, its key sealed under the key-encryption key of that id */
  async insert(make: (under: string) => typeof masks.$inferInsert): Promise<void> {
    await this.database.db.transaction(async (tx) => {
      await tx.insert(masks).values(make(await presentSealingKey(tx)));
    });
  }

  /** A mask that batches may be dealt for: its key is there, it has not ended or expired, both parties are who they were. */
  async active(id: Buffer): Promise<MaskRow | undefined> {
    const usable = and(
      eq(masks.id, id),
      isNull(masks.endedAt),
      isNotNull(masks.sealed),
      gt(masks.expires, sql`now()`),
      this.sameKey(0),
      this.sameKey(1),
    );
    const [row] = await this.database.db.select().from(masks).where(usable);
    return row;
  }

  /** Ends a mask of the model owner and erases its key. @returns false where there is none */
  async end(id: Buffer, org0: string): Promise<boolean> {
    const own = and(eq(masks.id, id), eq(masks.org0, org0), this.sameKey(0));
    return (
      changedRows(
        await this.database.db
          .update(masks)
          .set({ sealed: null, endedAt: sql`coalesce(${masks.endedAt}, now())` })
          .where(own),
      ) === 1
    );
  }

  /** A name counts only with the key that it had when the mask was opened. */
  private sameKey(party: 0 | 1) {
    const [org, key] = party === 0 ? [masks.org0, masks.key0] : [masks.org1, masks.key1];
    return sql`exists (select 1 from ${organisations} o where o.id = ${org} and o.signing_key = ${key})`;
  }

  /** Those of the given masks whose key is gone or whose time is over. */
  async over(ids: readonly Buffer[]): Promise<Buffer[]> {
    if (!ids.length) return [];
    const live = and(
      inArray(masks.id, [...ids]),
      isNull(masks.endedAt),
      isNotNull(masks.sealed),
      gt(masks.expires, sql`now()`),
    );
    const rows = await this.database.db.select({ id: masks.id }).from(masks).where(live);
    return ids.filter((id) => !rows.some((row) => row.id.equals(id)));
  }

  /** Erases keys of masks past their end. */
  async eraseExpired(): Promise<number> {
    const past = and(isNotNull(masks.sealed), or(isNotNull(masks.endedAt), lt(masks.expires, sql`now()`)));
    return changedRows(await this.database.db.update(masks).set({ sealed: null }).where(past));
  }
}
