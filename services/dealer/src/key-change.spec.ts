import type { RunningService } from "@parley/service-kit";
import { DATABASE_KINDS, testDatabase, type TestDatabase } from "@parley/service-kit/testing";
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DealerContext } from "./app.module.js";
import { maskName, periodName } from "./domain/keys.js";
import { DealerScene, collect } from "./spec-support/scene.js";
import * as schema from "./store/schema.js";

const contextOf = (service: RunningService) => service.app.get(DealerContext);
const refused = (work: Promise<unknown>) =>
  work.then(
    () => "no error",
    (error: Error) => error.message,
  );

describe.each(DATABASE_KINDS)("the dealer's key-encryption key on %s", (kind) => {
  let target: TestDatabase | undefined;
  let scene: DealerScene;
  let keys: { one: string; two: string; three: string };
  beforeEach(async () => {
    target = await testDatabase(kind);
    if (!target) return;
    scene = await DealerScene.make(target);
    keys = { one: scene.keyFile("one", 1), two: scene.keyFile("two", 2), three: scene.keyFile("three", 3) };
  });
  afterEach(async () => {
    await scene?.close();
    await target?.remove();
  });

  const withOne = () => ({ PARLEY_DEALER_KEK_FILE: keys.one });
  const withNext = () => ({ ...withOne(), PARLEY_DEALER_KEK_NEXT_FILE: keys.two });
  const withFormer = () => ({ PARLEY_DEALER_KEK_FILE: keys.two, PARLEY_DEALER_KEK_FORMER_FILE: keys.one });
  const withTwo = () => ({ PARLEY_DEALER_KEK_FILE: keys.two });
  const begin = async (settings: Record<string, string>) => {
    const service = await scene.start(settings);
    await scene.enrolAll(service);
    return service;
  };
  const batchesOf = async (service: RunningService, maskId: Buffer, count = 1) =>
    (await (await scene.as(service, "clinic-b", "worker")).createBatches({ maskId, records: 1, count })).batchIds;
  const bothParts = async (service: RunningService, batchIds: Buffer[]) => {
    const parts = [];
    for (const org of ["clinic-a", "clinic-b"] as const)
      parts.push(await collect((await scene.as(service, org, "worker")).fetchParts({ batchIds })));
    return parts.map(([{ parts: given }]) => given.map(({ fingerprint }) => fingerprint.toString("hex")));
  };
  /** Both parts of new batches of the mask, dealt alike. */
  const deals = async (service: RunningService, maskId: Buffer) => {
    const [part0, part1] = await bothParts(service, await batchesOf(service, maskId));
    expect(part0).toEqual(part1);
  };
  const sealedRows = async (service: RunningService) => {
    const { db } = contextOf(service).database;
    const rows = [await db.select().from(schema.masks), await db.select().from(schema.periodKeys)];
    return rows.flat().map(({ sealed }) => sealed?.toString("hex"));
  };

  it("is replaced: keys are what they were, under the new one alone, and what was erased stays erased", async ({
    skip,
  }) => {
    if (!target) return skip("no PostgreSQL here");
    const first = await begin(withOne());
    const [kept, ended] = [await scene.openMask(first), await scene.openMask(first)];
    await deals(first, kept.id);
    await (await scene.as(first, "clinic-a", "access-point")).endMask({ maskId: ended.id });
    const { db } = contextOf(first).database;
    await db.execute(sql`INSERT INTO dealer.period_key (id, sealed) VALUES (${Buffer.alloc(16, 7)}, NULL)`);
    const [{ sealed }] = await db
      .select()
      .from(schema.masks)
      .where(sql`id = ${kept.id}`);
    const key = contextOf(first).sealing.open(sealed ?? Buffer.alloc(0), maskName(kept.id));
    const before = await sealedRows(first);
    await first.close();

    await (await scene.start(withFormer())).close();
    const last = await scene.start(withTwo());
    const { sealing, database } = contextOf(last);
    const masks = await database.db.select().from(schema.masks);
    const after = masks.find(({ id }) => id.equals(kept.id))?.sealed;
    expect(sealing.open(after ?? Buffer.alloc(0), maskName(kept.id)).equals(key)).toBe(true);
    expect(masks.find(({ id }) => id.equals(ended.id))?.sealed).toBeNull();
    for (const { id, sealed: own } of await database.db.select().from(schema.periodKeys))
      if (own) expect(sealing.open(own, periodName(id))).toHaveLength(32);
    const now = await sealedRows(last);
    expect(now.some((row) => row !== undefined && before.includes(row))).toBe(false);
    expect(await database.db.$count(schema.periodKeys, sql`id = ${Buffer.alloc(16, 7)} AND sealed IS NULL`)).toBe(1);
    await deals(last, kept.id);
  });

  it("is not replaced by a wrong former key, nor where one row was changed: nothing is sealed anew then", async ({
    skip,
  }) => {
    if (!target) return skip("no PostgreSQL here");
    const first = await begin(withOne());
    const masks = [await scene.openMask(first), await scene.openMask(first)];
    const before = (await sealedRows(first)).filter(Boolean);
    await first.close();
    const wrong = { ...withFormer(), PARLEY_DEALER_KEK_FORMER_FILE: keys.three };
    expect(await refused(scene.start(wrong))).toMatch(/not the given one .* nor the former one/);
    expect(await refused(scene.start(withTwo()))).toMatch(/nor the former one \(not given\)/);

    const again = await scene.start(withOne());
    expect((await sealedRows(again)).filter((row) => row && before.includes(row))).toHaveLength(masks.length);
    const flip = (service: RunningService, id: Buffer) =>
      contextOf(service).database.db.execute(
        sql`UPDATE dealer.mask SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) WHERE id = ${id}`,
      );
    await flip(again, masks[1].id);
    const changed = await sealedRows(again);
    await again.close();
    expect(await refused(scene.start(withFormer()))).toContain(
      `the sealed key of mask ${masks[1].id.toString("hex")} does not open`,
    );
    const back = await scene.start(withOne());
    expect((await sealedRows(back)).filter((row) => row && changed.includes(row))).toHaveLength(masks.length);
    await deals(back, masks[0].id);
    // What its message says to do: the row is repaired (or its mask ended), and then the key is replaced.
    await flip(back, masks[1].id);
    await back.close();
    const done = await scene.start(withFormer());
    for (const { id } of masks) await deals(done, id);
  });

  it("takes a database of a version that did not note the key, under the present or the former one", async ({
    skip,
  }) => {
    if (!target) return skip("no PostgreSQL here");
    const first = await begin(withOne());
    const { id } = await scene.openMask(first);
    await contextOf(first).database.db.execute(sql`DELETE FROM dealer.sealing_key`);
    await first.close();
    expect(await refused(scene.start(withTwo()))).toContain("nothing was sealed anew");
    const second = await scene.start(withFormer());
    await deals(second, id);
  });

  describe("with replicas", () => {
    it("is replaced while others run that know both: each deals what the other sealed, and all seal under the new one", async ({
      skip,
    }) => {
      if (!target || kind === "pglite") return skip("one process has an embedded database");
      const first = await begin(withNext());
      const other = await scene.start(withNext());
      const old = await scene.openMask(first);
      const waiting = await batchesOf(first, old.id, 2);
      // Two come at once: one of them seals anew, the other finds it done.
      const [second, third] = await Promise.all([scene.start(withFormer()), scene.start(withFormer())]);
      for (const replica of [first, other, second, third]) {
        const made = await scene.openMask(replica);
        for (const deal of [first, third]) await deals(deal, made.id);
      }
      await contextOf(other).database.db.execute(
        sql`UPDATE dealer.period_key SET starts_at = now() - interval '2 hours'`,
      );
      await batchesOf(other, old.id);
      const [part0, part1] = await bothParts(first, waiting);
      expect(part0).toEqual(part1);
      // One that starts with the files of before changes nothing back.
      await scene.start(withNext());
      for (const service of [first, other]) await service.close();
      const last = await scene.start(withTwo());
      await deals(last, old.id);
      const { sealing, database } = contextOf(last);
      for (const { id, sealed } of await database.db.select().from(schema.masks))
        expect(sealing.open(sealed ?? Buffer.alloc(0), maskName(id))).toHaveLength(32);
    });

    it("writes nothing under the old key once it is replaced, also where a replica knows no other", async ({
      skip,
    }) => {
      if (!target || kind === "pglite") return skip("one process has an embedded database");
      const stale = await begin(withOne());
      const { id } = await scene.openMask(stale);
      const second = await scene.start(withFormer());
      const count = () => contextOf(second).database.db.$count(schema.masks);
      const before = await count();
      expect(await refused(scene.openMask(stale))).not.toBe("no error");
      await expect(
        contextOf(stale).ledger.currentPeriod((under) => {
          const own = Buffer.alloc(16, 1);
          return { id: own, sealed: contextOf(stale).sealing.seal(Buffer.alloc(32), periodName(own), under) };
        }),
      ).rejects.toThrow("it was replaced");
      expect(await count()).toBe(before);
      await deals(second, id);
      await (await scene.start(withTwo())).close();
    });

    it("brings no mask back that ends while it is replaced", async ({ skip }) => {
      if (!target || kind === "pglite") return skip("one process has an embedded database");
      const first = await begin(withNext());
      const masks = await Promise.all(Array.from({ length: 12 }, () => scene.openMask(first)));
      const owner = await scene.as(first, "clinic-a", "access-point");
      await Promise.all([
        ...masks.map(({ id }) => owner.endMask({ maskId: id })),
        scene.start(withFormer()),
        contextOf(first).ledger.voidEverything(),
      ]);
      expect((await sealedRows(first)).filter(Boolean)).toEqual([]);
    });
  });
});
