import type { AuditEvent, AuditLog, Database } from "@parley/service-kit";
import { changedRows } from "@parley/service-kit";
import { and, asc, desc, eq, gt, inArray, lte, max, or, sql } from "drizzle-orm";
import * as schema from "./schema.js";

export type AgreementsDatabase = Database<typeof schema>;
export type AgreementRow = typeof schema.agreements.$inferSelect;
export type AgreementStateName = AgreementRow["state"];
type NewAgreement = Omit<AgreementRow, "reserved" | "used" | "createdAt" | "revision" | "revocation" | "state">;

const t = schema.agreements;
type Transaction = Parameters<Parameters<AgreementsDatabase["db"]["transaction"]>[0]>[0];

/** Agreements whose quota is a metric: each is a series of its own. */
const MOST_COUNTED = 1_000;

/** Agreements and their states. A change of state and its audit row are one transaction. */
export class AgreementStore {
  constructor(
    private readonly database: AgreementsDatabase,
    private readonly audit: AuditLog,
  ) {}

  /** Stores an offer. @returns false where the id is taken */
  async offer(agreement: NewAgreement, event: AuditEvent): Promise<boolean> {
    return this.database.db.transaction(async (tx) => {
      const revision = await nextRevision(tx);
      const result = await tx
        .insert(t)
        .values({ ...agreement, state: "offered", revision })
        .onConflictDoNothing();
      if (changedRows(result) !== 1) return false;
      await this.audit.append(event, tx);
      return true;
    });
  }

  /** Changes the state where it is one of `from`. @returns the agreement, or undefined where it was in another state */
  async change(
    id: string,
    from: readonly AgreementStateName[],
    to: { state: AgreementStateName; jws?: string; revocation?: string },
    event: AuditEvent,
  ): Promise<AgreementRow | undefined> {
    return this.database.db.transaction(async (tx) => {
      const revision = await nextRevision(tx);
      const [row] = await tx
        .update(t)
        .set({ ...to, revision })
        .where(and(eq(t.id, id), inArray(t.state, [...from])))
        .returning();
      if (row) await this.audit.append(event, tx);
      return row;
    });
  }

  async get(id: string): Promise<AgreementRow | undefined> {
    const [row] = await this.database.db.select().from(t).where(eq(t.id, id));
    return row;
  }

  /** Of an organisation, newest first, older than `before` (ids sort by time). */
  async list(query: {
    org: string;
    state?: AgreementStateName;
    before?: string;
    limit: number;
  }): Promise<AgreementRow[]> {
    const conditions = [or(eq(t.modelOwner, query.org), eq(t.dataOwner, query.org))];
    if (query.state) conditions.push(eq(t.state, query.state));
    if (query.before) conditions.push(sql`${t.id} COLLATE "C" < ${query.before}`);
    return this.database.db
      .select()
      .from(t)
      .where(and(...conditions))
      .orderBy(desc(sql`${t.id} COLLATE "C"`))
      .limit(query.limit);
  }

  /** Counts of agreements in force. */
  async quotas(): Promise<{ agreement: string; used: number; limit: number }[]> {
    const rows = await this.database.db
      .select({ agreement: t.id, used: t.used, reserved: t.reserved, limit: t.quota })
      .from(t)
      .where(eq(t.state, "active"))
      .limit(MOST_COUNTED);
    return rows.map(({ agreement, used, reserved, limit }) => ({ agreement, used: used + reserved, limit }));
  }

  async lastRevision(): Promise<number> {
    const [row] = await this.database.db.select({ last: max(t.revision) }).from(t);
    return Number(row?.last ?? 0);
  }

  async changedAfter(revision: number): Promise<AgreementRow[]> {
    return this.database.db.select().from(t).where(gt(t.revision, revision)).orderBy(asc(t.revision)).limit(500);
  }

  /** Agreements that are past their end and not marked so. */
  async due(now: Date): Promise<AgreementRow[]> {
    const open = inArray(t.state, ["offered", "active", "suspended"]);
    return this.database.db
      .select()
      .from(t)
      .where(and(open, lte(t.expires, now)))
      .limit(500);
  }
}

/** The lock is held until the transaction ends: revisions become visible in their order, so a watcher misses none. */
async function nextRevision(tx: Transaction): Promise<number> {
  await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtext('parley-agreements-revision'))`);
  const result = (await tx.execute(sql`SELECT nextval('agreements.revision') AS next`)) as { rows: { next: string }[] };
  return Number(result.rows[0].next);
}
