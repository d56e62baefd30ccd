import { and, eq, isNotNull, sql } from "drizzle-orm";
import { maskName, periodName } from "../domain/keys.js";
import type { Sealing } from "../domain/sealing.js";
import type { DealerDatabase } from "./organisation-store.js";
import { masks, periodKeys, sealingKeys } from "./schema.js";

type Transaction = Parameters<Parameters<DealerDatabase["db"]["transaction"]>[0]>[0];

const TABLES = [
  { table: masks, label: "mask", name: maskName },
  { table: periodKeys, label: "period key", name: periodName },
] as const;

/** Id of the key-encryption key to seal under. It stays until the transaction ends: a change waits for it. */
export async function presentSealingKey(tx: Transaction): Promise<string> {
  const [row] = await tx.select({ id: sealingKeys.id }).from(sealingKeys).for("share");
  if (!row) throw new Error("the database does not say under which key-encryption key its keys are sealed");
  return row.id;
}

/** False where another replica has changed to a key-encryption key that this one was not given. */
export async function sealingKeyIsKnown({ db }: DealerDatabase, sealing: Sealing): Promise<boolean> {
  const [row] = await db.select({ id: sealingKeys.id }).from(sealingKeys);
  return !row || sealing.knows(row.id);
}

/**
 * Makes the given key-encryption key the database's. What the former one sealed is sealed anew, all or nothing, while
 * whoever would write or erase a sealed key waits; from then on every replica seals under the new one or not at all.
 * @returns how many were sealed anew; undefined where the keys were under the given one, or the next one, already
 * @throws Error where a sealed key opens under none of the given ones: nothing was changed then
 */
export async function settleSealedKeys({ db }: DealerDatabase, sealing: Sealing): Promise<number | undefined> {
  const { current, next, former } = sealing.keys;
  return db.transaction(async (tx) => {
    await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtext('parley-dealer-sealing-key'))`);
    const [marked] = await tx.select({ id: sealingKeys.id }).from(sealingKeys).for("update");
    // Under the next one: another replica has changed to it, and this one was started with the files of before.
    if (marked && (marked.id === current.id || marked.id === next?.id)) return undefined;
    await tx.execute(sql`LOCK TABLE ${masks}, ${periodKeys} IN SHARE ROW EXCLUSIVE MODE`);
    let [sealedKeys, renewed] = [0, 0];
    for (const { table, label, name } of TABLES) {
      const rows = await tx.select({ id: table.id, sealed: table.sealed }).from(table).where(isNotNull(table.sealed));
      for (const { id, sealed } of rows) {
        if (!sealed) continue;
        sealedKeys++;
        if (marked && marked.id !== former?.id) throw new Error(otherKey(marked.id, current.id, former?.id));
        const again = renew(sealing, sealed, name(id), `${label} ${id.toString("hex")}`);
        if (!again) continue;
        await tx
          .update(table)
          .set({ sealed: again })
          .where(and(eq(table.id, id), eq(table.sealed, sealed)));
        renewed++;
      }
    }
    const set = { id: current.id, since: sql`now()` };
    await tx.insert(sealingKeys).values(set).onConflictDoUpdate({ target: sealingKeys.one, set });
    return marked || sealedKeys ? renewed : undefined;
  });
}

function renew(sealing: Sealing, sealed: Buffer, name: Buffer, what: string): Buffer | undefined {
  try {
    return sealing.renew(sealed, name);
  } catch (cause) {
    throw new Error(
      `the sealed key of ${what} does not open: it was changed, or the key-encryption key that sealed it is not given; nothing was sealed anew`,
      { cause },
    );
  }
}

const otherKey = (marked: string, current: string, former = "not given") =>
  `the database's keys are sealed under key-encryption key ${marked}, which is not the given one (${current}) nor the former one (${former}); ` +
  "give the one that sealed them as PARLEY_DEALER_KEK_FILE, or as PARLEY_DEALER_KEK_FORMER_FILE beside its successor";
