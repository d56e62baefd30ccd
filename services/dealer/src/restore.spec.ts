import { Code, type ParleyError } from "@parley/proto";
import { createLogger, rowsOf, type RunningService } from "@parley/service-kit";
import {
  freshFolder,
  postgresPrograms,
  startPostgresWithTools,
  type PostgresWithTools,
} from "@parley/service-kit/testing";
import { sql } from "drizzle-orm";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DealerContext } from "./app.module.js";
import { DealerScene, collect } from "./spec-support/scene.js";

const programs = postgresPrograms();
if (!programs) process.stderr.write("no pg_dump with its server on this machine; restores of the dealer are skipped\n");

const PARTIES = ["clinic-a", "clinic-b"] as const;
const REFUSED = "FAILED_PRECONDITION PART_REFUSED";
const outcome = (call: Promise<unknown>) =>
  call.then(
    () => "given",
    (error: ParleyError) => `${Code[error.code]} ${error.reason}`,
  );

/** What docs/operations.md tells an operator to do, with the tools of PostgreSQL themselves. */
describe.skipIf(!programs)("a dealer that is restored from a backup", () => {
  let server: PostgresWithTools;
  let scene: DealerScene;
  let url: string;
  let dataDir: string;
  let running: RunningService;
  let count = 0;
  const KEYS = ["--exclude-table-data=dealer.period_key", "--exclude-table-data=dealer.mask"];
  const VOID = { PARLEY_DEALER_VOID_AT_START: "true" };

  beforeAll(async () => {
    server = await startPostgresWithTools(programs ?? "");
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    dataDir = freshFolder();
    url = await server.createDatabase(`dealer_${count++}`);
    scene = await DealerScene.make({ kind: "postgresql", url, dataDir, remove: async () => {} });
    running = await scene.start();
    await scene.enrolAll(running);
  });
  afterEach(async () => {
    await scene.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const dumpFile = () => join(dataDir, "dealer.dump");
  const backUp = (...without: string[]) =>
    server.tool("pg_dump", [url, "--format=custom", `--file=${dumpFile()}`, ...without]);
  const restore = () => server.tool("pg_restore", ["--clean", "--if-exists", `--dbname=${url}`, dumpFile()]);
  const draw = async (service: RunningService, maskId: Buffer, count: number) =>
    (await (await scene.as(service, "clinic-b", "worker")).createBatches({ maskId, records: 1, count })).batchIds;
  const fetch = async (service: RunningService, org: (typeof PARTIES)[number], batchId: Buffer) =>
    outcome(collect((await scene.as(service, org, "worker")).fetchParts({ batchIds: [batchId] })));
  /** What each party gets of each batch, in turn. */
  const all = async (service: RunningService, batchIds: readonly Buffer[]) => {
    const outcomes: string[] = [];
    for (const id of batchIds) for (const org of PARTIES) outcomes.push(await fetch(service, org, id));
    return [...new Set(outcomes)];
  };

  /** Uses batches before and after a backup, and loses the database. @returns the mask and every batch there ever was */
  const livedThrough = async (...without: string[]) => {
    const { id: maskId } = await scene.openMask(running);
    const early = await draw(running, maskId, 4);
    const [spent, half] = early;
    expect(await all(running, [spent])).toEqual(["given"]);
    expect(await fetch(running, "clinic-b", half)).toBe("given");
    await backUp(...without);
    expect(await fetch(running, "clinic-a", half)).toBe("given");
    expect(await all(running, [early[2]])).toEqual(["given"]); // unspent in the backup
    const late = await draw(running, maskId, 2);
    expect(await all(running, [late[0]])).toEqual(["given"]); // unknown to the backup
    await running.close();
    await restore();
    return { maskId, batches: [...early, ...late] };
  };
  const goesOn = async (service: RunningService, maskId: Buffer) =>
    expect(await all(service, await draw(service, maskId, 2))).toEqual(["given"]);
  const newMask = async (service: RunningService) => (await scene.openMask(service)).id;
  const unspent = async (service: RunningService) => {
    const { database } = service.app.get(DealerContext);
    const [{ n }] = rowsOf<{ n: string }>(
      await database.db.execute(
        sql`SELECT count(*) AS n FROM dealer.batch WHERE voided_at IS NULL AND (given0 IS NULL OR given1 IS NULL)`,
      ),
    );
    return Number(n);
  };

  it("without the tables of keys and with the order to void gives no batch of before; masks are gone, new ones work", async () => {
    const { maskId, batches } = await livedThrough(...KEYS);
    const restored = await scene.start(VOID);
    expect(await unspent(restored)).toBe(0);
    expect(await all(restored, batches)).toEqual([REFUSED]);
    expect(await outcome(draw(restored, maskId, 1))).toBe("NOT_FOUND MASK_NOT_FOUND");
    await goesOn(restored, await newMask(restored)); // who has enrolled is known, the agreement is a new one
  });

  it("with the masks kept gives no batch of before either, and agreements go on", async () => {
    const { maskId, batches } = await livedThrough(KEYS[0]);
    const restored = await scene.start(VOID);
    expect(await all(restored, batches)).toEqual([REFUSED]);
    await goesOn(restored, maskId);
  });

  it("is as safe where its operator forgets the order", async () => {
    const { batches } = await livedThrough(...KEYS);
    const restored = await scene.start();
    expect(await all(restored, batches)).toEqual([REFUSED]);
    await goesOn(restored, await newMask(restored));
  });

  it("and where the backup has every key as well: it finds that its ledger lies elsewhere", async () => {
    const { maskId, batches } = await livedThrough();
    const [one, two] = await Promise.all([scene.start(), scene.start()]);
    expect(await unspent(one)).toBe(0);
    for (const replica of [one, two]) expect(await all(replica, batches)).toEqual([REFUSED]);
    await goesOn(two, maskId);
    // Which it finds once: the next start voids nothing.
    const later = await draw(one, maskId, 1);
    for (const replica of [one, two]) await replica.close();
    expect(await all(await scene.start(), later)).toEqual(["given"]);
  });

  it("gives nothing from a replica that ran on through it, until everything of before is void", async () => {
    const { id: maskId } = await scene.openMask(running);
    const batches = await draw(running, maskId, 2);
    await backUp();
    expect(await all(running, [batches[0]])).toEqual(["given"]);
    await restore();
    expect(await all(running, batches)).toEqual([REFUSED]);
    const context = running.app.get(DealerContext);
    expect(await context.ledger.settleHome()).toBe(2);
    context.periods.forget();
    expect(await all(running, batches)).toEqual([REFUSED]);
    await goesOn(running, maskId);
  });

  it("gives nothing of before after a failover, which may have lost what was given last, and then goes on", async () => {
    const { id: maskId } = await scene.openMask(running);
    const batches = await draw(running, maskId, 2);
    await server.promote();
    expect(await fetch(running, "clinic-a", batches[0])).not.toBe("given");
    await running.app.get(DealerContext).follow(createLogger("dealer", "silent"));
    expect(await unspent(running)).toBe(0);
    expect(await all(running, batches)).toEqual([REFUSED]);
    await goesOn(running, maskId);
  });

  it("does not start on a database that hides its history: it would not notice a restore", async () => {
    await running.close();
    const admin = new URL(url);
    admin.username = "parley";
    const sqlOf = (verb: string) =>
      `${verb} EXECUTE ON FUNCTION pg_control_system() ${verb === "GRANT" ? "TO" : "FROM"} PUBLIC`;
    await server.tool("psql", [admin.href, "-c", sqlOf("REVOKE")]);
    await expect(scene.start()).rejects.toThrow("does not tell which server it is");
    await server.tool("psql", [admin.href, "-c", sqlOf("GRANT")]);
    await scene.start();
  });
});
