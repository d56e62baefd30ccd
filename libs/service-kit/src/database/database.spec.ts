import { sql } from "drizzle-orm";
import { pgSchema, text } from "drizzle-orm/pg-core";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DATABASE_KINDS, freshFolder, testDatabase, type TestDatabase } from "../testing/databases.js";
import { AuditLog } from "./audit-log.js";
import { isDatabaseAway } from "./away.js";
import { changedRows, databaseErrorCode, openDatabase, ping, rowsOf, type Database } from "./database.js";
import { MigrationsDone } from "./migrations.js";

const things = pgSchema("things").table("thing", { id: text().primaryKey() });

function migrations(name = "things") {
  const folder = freshFolder();
  mkdirSync(join(folder, "meta"));
  const entry = { idx: 0, version: "7", when: 1, tag: "0000_first", breakpoints: true };
  writeFileSync(
    join(folder, "meta/_journal.json"),
    JSON.stringify({ version: "7", dialect: "postgresql", entries: [entry] }),
  );
  writeFileSync(
    join(folder, "0000_first.sql"),
    `CREATE SCHEMA "${name}";--> statement-breakpoint\nCREATE TABLE "${name}"."thing" (id text PRIMARY KEY);`,
  );
  return folder;
}

describe.each(DATABASE_KINDS)("on %s", (kind) => {
  const migrationsFolder = migrations();
  let target: TestDatabase | undefined;
  let database: Database<{ things: typeof things }>;
  const settings = () => ({
    service: "things",
    schema: { things },
    migrationsFolder,
    url: target?.url,
    dataDir: target?.dataDir ?? "",
  });

  beforeAll(async () => {
    target = await testDatabase(kind);
    if (target) database = await openDatabase(settings());
  });
  afterAll(async () => {
    await database?.close();
    await target?.remove();
    rmSync(migrationsFolder, { recursive: true });
  });

  it("migrates and ends, or waits for somebody else to migrate, where it is told to", async ({ skip }) => {
    if (kind !== "postgresql" || !target) return skip("only with PostgreSQL");
    const later = { ...settings(), service: "later", migrationsFolder: migrations("later") };
    const opened = async (mode: string) => {
      process.env.PARLEY_MIGRATE = mode;
      return openDatabase(later).finally(() => delete process.env.PARLEY_MIGRATE);
    };
    await expect(opened("skip")).rejects.toThrow("the tables of later are older than this version");
    await expect(opened("only")).rejects.toThrow(MigrationsDone);
    await expect(opened("only")).rejects.toThrow(MigrationsDone);
    await (await opened("skip")).close();
  });

  it("refuses another word than only and skip, and only where there is nothing to migrate for others", async () => {
    const opened = async (mode: string) => {
      process.env.PARLEY_MIGRATE = mode;
      const { url, dataDir } = { url: target?.url, dataDir: freshFolder() };
      return openDatabase({ ...settings(), url, dataDir }).finally(() => delete process.env.PARLEY_MIGRATE);
    };
    await expect(opened("always")).rejects.toThrow("PARLEY_MIGRATE is only, skip or not set");
    if (kind === "pglite") await expect(opened("only")).rejects.toThrow("set DATABASE_URL");
  });

  it("counts changed rows and names unique violations", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    await database.db.insert(things).values({ id: "a" });
    const twice = await database.db.insert(things).values({ id: "a" }).catch(databaseErrorCode);
    expect(twice).toBe("23505");
    expect(changedRows(await database.db.delete(things).where(sql`id = 'none'`))).toBe(0);
    expect(changedRows(await database.db.delete(things).where(sql`id = 'a'`))).toBe(1);
  });

  it("outlives a connection that breaks in a transaction, and tells that the database was away", async ({ skip }) => {
    if (!target || kind === "pglite") return skip("no PostgreSQL here");
    const broken = database.db.transaction(async (tx) => {
      const [{ pid }] = rowsOf<{ pid: number }>(await tx.execute(sql`SELECT pg_backend_pid() AS pid`));
      await database.db.execute(sql`SELECT pg_terminate_backend(${pid})`);
      await setTimeout(100); // the end of the connection arrives between two statements
      await tx.execute(sql`SELECT 1`);
    });
    expect(isDatabaseAway(await broken.catch((error: unknown) => error))).toBe(true);
    expect(await ping(database)).toBe(true);
  });

  it("keeps an audit log that only grows", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    const log = await AuditLog.open(database, "things");
    await AuditLog.open(database, "things");
    await log.append({ action: "thing.made", actor: "clinic-a", subject: "a", organisations: ["clinic-a"] });
    await log.append({
      action: "thing.made",
      actor: "clinic-ab",
      subject: "b",
      organisations: ["clinic-ab"],
      details: { size: 3 },
    });
    expect((await log.list({ organisation: "clinic-a" })).map((e) => e.subject)).toEqual(["a"]);
    expect((await log.list({ after: 1n }))[0]).toMatchObject({ subject: "b", details: '{"size":3}' });
    for (const change of [
      "UPDATE things.audit_log SET actor = 'x'",
      "DELETE FROM things.audit_log",
      "TRUNCATE things.audit_log",
    ]) {
      const refused = await database.db.execute(sql.raw(change)).then(
        () => "done",
        (e: Error) => String((e.cause as Error).message),
      );
      expect(refused).toContain("append-only");
    }
    expect(await log.list({})).toHaveLength(2);
  });

  it("opens again with its rows; a second process may not open an embedded one", async ({ skip }) => {
    if (!target) return skip("no PostgreSQL here");
    await database.db.insert(things).values({ id: "kept" });
    if (kind === "pglite") {
      writeFileSync(join(target.dataDir, "pglite.lock"), "1");
      await expect(openDatabase(settings())).rejects.toThrow("is in use by process 1");
    }
    await database.close();
    database = await openDatabase(settings());
    expect(await database.db.select().from(things)).toEqual([{ id: "kept" }]);
  });
});
