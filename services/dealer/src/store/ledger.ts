import { changedRows } from "@parley/service-kit";
import { and, eq, gt, inArray, isNotNull, isNull, lt, notExists, or, sql, type SQL } from "drizzle-orm";
import { ledgerIsHome, settleLedgerHome } from "./ledger-home.js";
import type { DealerDatabase } from "./organisation-store.js";
import { batches, masks, organisations, periodKeys } from "./schema.js";
import { presentSealingKey } from "./sealed-keys.js";

export interface NewBatch {
  readonly id: Buffer;
  readonly maskId: Buffer;
  readonly periodId: Buffer;
  readonly records: number;
  readonly org0: string;
  readonly org1: string;
  readonly expires: Date;
}

/** What is given with parts: the batches in the order asked for, their mask and the sealed keys. */
export interface GivenParts {
  readonly batches: readonly (typeof batches.$inferSelect)[];
  readonly mask: typeof masks.$inferSelect;
  readonly period: typeof periodKeys.$inferSelect;
}

/** Nothing is given. Batches that were good are lost with those that were not. */
export interface NotGiven {
  readonly lost: readonly Buffer[];
}

const MOST_ROWS = 256;

async function voidAll(tx: Pick<DealerDatabase["db"], "update">): Promise<number> {
  await tx
    .update(periodKeys)
    .set({ voidedAt: sql`now()`, sealed: null })
    .where(isNull(periodKeys.voidedAt));
  const unspent = and(isNull(batches.voidedAt), or(isNull(batches.given0), isNull(batches.given1)));
  return changedRows(
    await tx
      .update(batches)
      .set({ voidedAt: sql`now()` })
      .where(unspent),
  );
}

/** Rows that were read before, by id: the oldest are forgotten, and all when keys are erased. */
class Rows<Row> {
  readonly #known = new Map<string, Row>();

  async get(id: Buffer, read: (id: Buffer) => PromiseLike<Row[]>): Promise<Row | undefined> {
    const key = id.toString("hex");
    const known = this.#known.get(key);
    if (known) return known;
    const [row] = await read(id);
    if (!row) return undefined;
    this.#known.set(key, row);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST_ROWS) break;
      this.#known.delete(oldest);
    }
    return row;
  }

  forget(): void {
    this.#known.clear();
  }
}

/**
 * The single-use ledger. A part is given by one conditional update, committed before anything of it leaves: of any number
 * of callers, on any number of replicas, one gets it.
 */
export class Ledger {
  readonly #masks = new Rows<GivenParts["mask"]>();
  readonly #periods = new Rows<GivenParts["period"]>();

  constructor(private readonly database: DealerDatabase) {}

  /** Stores batches unless that made more than `limit` unspent ones of their agreement. @returns false where it did */
  async create(made: readonly NewBatch[], agreementDigest: Buffer, limit: number): Promise<boolean> {
    return this.database.db.transaction(async (tx) => {
      // Of callers at the same time each counts what the one before has stored.
      await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended(${agreementDigest.toString("hex")}, 0))`);
      const ofAgreement = tx.select({ id: masks.id }).from(masks).where(eq(masks.agreementDigest, agreementDigest));
      const unspent = and(
        inArray(batches.maskId, ofAgreement),
        isNull(batches.given0),
        isNull(batches.voidedAt),
        gt(batches.expires, sql`now()`),
      );
      if ((await tx.$count(batches, unspent)) + made.length > limit) return false;
      await tx.insert(batches).values([...made]);
      return true;
    });
  }

  /**
   * Gives one party's parts of batches of one mask, period and size, or refuses: given before, expired, voided, ended mask,
   * another organisation or role. Where one is refused, none is given out, and those that were good are lost.
   */
  async give(ids: readonly Buffer[], party: 0 | 1, org: string): Promise<GivenParts | NotGiven> {
    const given = party === 0 ? batches.given0 : batches.given1;
    const owner = party === 0 ? batches.org0 : batches.org1;
    const usable = and(
      inArray(batches.id, [...ids]),
      eq(owner, org),
      isNull(given),
      isNull(batches.voidedAt),
      gt(batches.expires, sql`now()`),
      this.maskIsActive(party, org),
      this.periodIsUsable(),
      ledgerIsHome(this.database),
    );
    const set = party === 0 ? { given0: sql`now()` } : { given1: sql`now()` };
    const rows = await this.database.db.update(batches).set(set).where(usable).returning();
    const inOrder = ids.flatMap((id) => rows.find((row) => row.id.equals(id)) ?? []);
    const [first] = inOrder;
    const refused = { lost: rows.map(({ id }) => id) };
    if (rows.length !== ids.length || inOrder.length !== ids.length || !first) return refused;
    const alike = inOrder.every(
      (row) => row.maskId.equals(first.maskId) && row.periodId.equals(first.periodId) && row.records === first.records,
    );
    if (!alike) return refused;
    // The update has found both good; what a part is derived from never changes.
    const [mask, period] = await Promise.all([
      this.#masks.get(first.maskId, (id) => this.database.db.select().from(masks).where(eq(masks.id, id))),
      this.#periods.get(first.periodId, (id) =>
        this.database.db.select().from(periodKeys).where(eq(periodKeys.id, id)),
      ),
    ]);
    return mask && period ? { batches: inOrder, mask, period } : refused;
  }

  /** How many of these batches an organisation had been given its part of before a request in which `lost` were lost. */
  async usedBefore(ids: readonly Buffer[], org: string, lost: readonly Buffer[]): Promise<number> {
    const before = ids.filter((id) => !lost.some((other) => other.equals(id)));
    if (before.length === 0) return 0;
    const given = or(
      and(eq(batches.org0, org), isNotNull(batches.given0)),
      and(eq(batches.org1, org), isNotNull(batches.given1)),
    );
    return this.database.db.$count(batches, and(inArray(batches.id, before), given));
  }

  private forgetKeys() {
    this.#masks.forget();
    this.#periods.forget();
  }

  /** Also: the organisation still has the key under which the mask was opened. A name alone gets nothing. */
  private maskIsActive(party: 0 | 1, org: string): SQL {
    const key = sql.raw(party === 0 ? "m.key0" : "m.key1");
    return sql`exists (select 1 from ${masks} m join ${organisations} o on o.id = ${org} and o.signing_key = ${key}
      where m.id = ${batches.maskId} and m.ended_at is null and m.sealed is not null and m.expires > now())`;
  }

  private periodIsUsable(): SQL {
    return sql`exists (select 1 from ${periodKeys} p where p.id = ${batches.periodId} and p.voided_at is null and p.sealed is not null)`;
  }

  /**
   * The period key to draw batches from now.
   * @param make gives a new one where the newest is an hour old, sealed under the key-encryption key of that id
   */
  async currentPeriod(make: (under: string) => { id: Buffer; sealed: Buffer }): Promise<{ id: Buffer }> {
    return this.database.db.transaction(async (tx) => {
      await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtext('parley-dealer-period'))`);
      const fresh = and(
        isNull(periodKeys.voidedAt),
        isNotNull(periodKeys.sealed),
        gt(periodKeys.startsAt, sql`now() - interval '1 hour'`),
      );
      const [known] = await tx
        .select({ id: periodKeys.id })
        .from(periodKeys)
        .where(fresh)
        .orderBy(sql`${periodKeys.startsAt} desc`)
        .limit(1);
      if (known) return known;
      const made = make(await presentSealingKey(tx));
      await tx.insert(periodKeys).values(made);
      return { id: made.id };
    });
  }

  /** Erases period keys 24 h after their hour, when none of their batches can be given any more. */
  async erasePeriods(): Promise<number> {
    this.forgetKeys();
    const open = this.database.db
      .select({ one: sql`1` })
      .from(batches)
      .where(
        and(
          eq(batches.periodId, periodKeys.id),
          isNull(batches.voidedAt),
          gt(batches.expires, sql`now()`),
          or(isNull(batches.given0), isNull(batches.given1)),
        ),
      );
    const past = and(
      isNotNull(periodKeys.sealed),
      or(
        isNotNull(periodKeys.voidedAt),
        and(lt(periodKeys.startsAt, sql`now() - interval '25 hours'`), notExists(open)),
      ),
    );
    return changedRows(await this.database.db.update(periodKeys).set({ sealed: null }).where(past));
  }

  /** After a start that may have lost commits: no batch of before is given any more, and new ones come from a new key. */
  async voidEverything(): Promise<number> {
    this.forgetKeys();
    return this.database.db.transaction(voidAll);
  }

  /**
   * Voids all of it where it lies somewhere else than it was written: restored from a dump or to an older state, or on a
   * replica that was promoted. Until then it gives nothing there. @returns how many batches; undefined where it is at home
   */
  async settleHome(): Promise<number | undefined> {
    if (this.database.kind === "pglite") return undefined;
    const voided = await settleLedgerHome(this.database, voidAll);
    if (voided !== undefined) this.forgetKeys();
    return voided;
  }

  /** Forgets batches a week after their end; until then a second request is told apart from an unknown id. */
  async forgetOld(): Promise<void> {
    await this.database.db.delete(batches).where(lt(batches.expires, sql`now() - interval '7 days'`));
  }
}
