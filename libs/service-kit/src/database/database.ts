import { PGlite } from "@electric-sql/pglite";
import { sql } from "drizzle-orm";
import { drizzle as drizzlePg, type NodePgDatabase } from "drizzle-orm/node-postgres";
import { migrate as migratePg } from "drizzle-orm/node-postgres/migrator";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import { migrate as migratePglite } from "drizzle-orm/pglite/migrator";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { isMetering, measure } from "../telemetry/metrics.js";
import { isTracing, withSpan } from "../telemetry/span.js";
import { currentTrace } from "../telemetry/trace.js";
import { lockFolder } from "./folder-lock.js";
import { MigrationsDone, migrateMode, migrationOptions, requireMigrated, type MigrateMode } from "./migrations.js";

export interface DatabaseSettings<S extends Record<string, unknown>> {
  /** Also the name of its PostgreSQL schema and, with "_migrations", of its migrations' schema. */
  readonly service: string;
  readonly schema: S;
  readonly migrationsFolder: string;
  /** PostgreSQL; without it an embedded one in `dataDir`. */
  readonly url?: string;
  readonly dataDir: string;
  readonly poolSize?: number;
}

export interface Database<S extends Record<string, unknown>> {
  /** The same queries on PostgreSQL and on the embedded PGlite. */
  readonly db: NodePgDatabase<S>;
  readonly kind: "postgresql" | "pglite";
  /** Runs one statement; PostgreSQL parses and plans it once per connection, under `name`. For statements on the path of every job. */
  query<T>(name: string, text: string, values: readonly unknown[]): Promise<T[]>;
  close(): Promise<void>;
}

/**
 * Opens a service's database and brings its tables up to date; replicas that start together take turns. With PostgreSQL,
 * PARLEY_MIGRATE=only does just that, PARLEY_MIGRATE=skip leaves it to somebody else.
 * @throws MigrationsDone under `only`; Error where the database is away, or under `skip` older than this version
 */
export async function openDatabase<S extends Record<string, unknown>>(
  settings: DatabaseSettings<S>,
): Promise<Database<S>> {
  const mode = migrateMode(Boolean(settings.url));
  return settings.url ? openPostgres(settings, settings.url, mode) : openEmbedded(settings);
}

async function openPostgres<S extends Record<string, unknown>>(
  settings: DatabaseSettings<S>,
  url: string,
  mode: MigrateMode,
): Promise<Database<S>> {
  const pool = new pg.Pool({ connectionString: url, max: settings.poolSize ?? 10 });
  pool.on("error", () => {}); // a broken idle connection; the next query opens another or reports the error
  // One that breaks between two statements of a transaction: the next statement reports it; unheard, it would end the process.
  pool.on("connect", (client) => void client.on("error", () => {}));
  const db = drizzlePg(pool, { schema: settings.schema });
  const client = await pool.connect().catch((cause: unknown) => {
    throw new Error("the database of DATABASE_URL cannot be reached; check the address and that PostgreSQL runs", {
      cause,
    });
  });
  try {
    if (mode === "skip") await requireMigrated(client, settings);
    else {
      // One lock for all services of a database: CREATE SCHEMA and the migration journal do not tolerate races.
      await client.query("SELECT pg_advisory_lock(hashtext('parley-migrations'))");
      await migratePg(drizzlePg(client, { schema: settings.schema }), migrationOptions(settings));
    }
  } finally {
    if (mode !== "skip") await client.query("SELECT pg_advisory_unlock(hashtext('parley-migrations'))").catch(() => {});
    client.release();
  }
  if (mode === "only") {
    await pool.end();
    throw new MigrationsDone(settings.service);
  }
  return {
    db,
    kind: "postgresql",
    query: <T>(name: string, text: string, values: readonly unknown[]) =>
      observed(name, async () => (await pool.query({ name, text, values: [...values] })).rows as T[]),
    close: () => pool.end(),
  };
}

async function openEmbedded<S extends Record<string, unknown>>(settings: DatabaseSettings<S>): Promise<Database<S>> {
  const folder = join(settings.dataDir, "pglite");
  mkdirSync(settings.dataDir, { recursive: true, mode: 0o700 });
  const unlock = lockFolder(settings.dataDir, settings.service);
  try {
    const client = await PGlite.create(folder);
    const db = drizzlePglite(client, { schema: settings.schema });
    await migratePglite(db, migrationOptions(settings));
    // Both drivers share drizzle's PostgreSQL dialect; only the raw result type differs, which `rowsOf` evens out.
    return {
      db: db as unknown as NodePgDatabase<S>,
      kind: "pglite",
      query: <T>(name: string, text: string, values: readonly unknown[]) =>
        observed(name, async () => (await client.query<T>(text, [...values])).rows),
      close: () => client.close().finally(unlock),
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

/** Duration of a named statement, and a span where a trace is under way; nothing while telemetry is off. */
async function observed<T>(name: string, run: () => Promise<T>): Promise<T> {
  if (!isTracing() && !isMetering()) return run();
  const attributes = { "db.system.name": "postgresql", "db.operation.name": name };
  const started = performance.now();
  const work = currentTrace() ? withSpan("db.query", attributes, run, { title: name }) : run();
  return work.finally(() => measure("db.client.operation.duration", (performance.now() - started) / 1_000, attributes));
}

/** Rows of a raw `db.execute(sql...)`, on both drivers. */
export const rowsOf = <T>(result: unknown): T[] => (result as { rows: T[] }).rows;

/** Number of rows that an update or delete changed, on both drivers. */
export const changedRows = (result: unknown): number => {
  const { rowCount, affectedRows } = result as { rowCount?: number | null; affectedRows?: number };
  return rowCount ?? affectedRows ?? 0;
};

/** PostgreSQL's error code behind drizzle's wrapper, e.g. "23505" for a unique violation. */
export function databaseErrorCode(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = (at as { code?: unknown }).code;
    if (typeof code === "string" && /^[0-9A-Z]{5}$/.test(code)) return code;
  }
  return undefined;
}

/** True where the database answers. */
export const ping = async (database: Database<Record<string, unknown>>): Promise<boolean> =>
  database.db.execute(sql`SELECT 1`).then(
    () => true,
    () => false,
  );
