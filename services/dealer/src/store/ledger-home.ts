import { databaseErrorCode } from "@parley/service-kit";
import { sql, type SQL } from "drizzle-orm";
import type { DealerDatabase } from "./organisation-store.js";
import { ledgerHome } from "./schema.js";

type Transaction = Parameters<Parameters<DealerDatabase["db"]["transaction"]>[0]>[0];

/**
 * Where the ledger lies: its table, its server and that server's history. A dump that is restored is another table; a
 * server that was restored to an older state, or a replica that was promoted, begins another history (a timeline).
 */
const HERE = sql.raw(`('dealer.batch'::regclass::oid::text || ' ' ||
  (SELECT system_identifier FROM pg_control_system())::text || ' ' || left(pg_walfile_name(pg_current_wal_lsn()), 8))`);

/** Holds where the ledger lies at the place that was noted. An embedded database is void at each start instead. */
export function ledgerIsHome({ kind }: Pick<DealerDatabase, "kind">): SQL | undefined {
  return kind === "pglite" ? undefined : sql`exists (select 1 from ${ledgerHome} h where h.home = ${HERE})`;
}

/**
 * Notes where the ledger lies. Where another place was noted it may have forgotten parts that it gave: they are voided in
 * the same transaction.
 * @returns what `voidAll` returns; undefined where it lies where it was, or nothing was noted yet
 * @throws Error where the database does not tell its server and history
 */
export function settleLedgerHome(
  { db }: DealerDatabase,
  voidAll: (tx: Transaction) => Promise<number>,
): Promise<number | undefined> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtext('parley-dealer-ledger-home'))`);
    const [known] = await tx
      .select({ here: sql<boolean>`${ledgerHome.home} = ${HERE}` })
      .from(ledgerHome)
      .catch(cannotTell);
    if (known?.here) return undefined;
    const voided = known && (await voidAll(tx));
    const set = { home: HERE, since: sql`now()` };
    await tx.insert(ledgerHome).values(set).onConflictDoUpdate({ target: ledgerHome.one, set });
    return voided;
  });
}

/** Privilege, feature or function that is missing. */
const NOT_TOLD = ["42501", "0A000", "42883"];

function cannotTell(cause: unknown): never {
  if (!NOT_TOLD.includes(databaseErrorCode(cause) ?? "")) throw cause;
  throw new Error(
    "the database does not tell which server it is and which history it has (pg_control_system, pg_walfile_name): the dealer would not notice that its ledger was restored; give it a PostgreSQL that does",
    { cause },
  );
}
