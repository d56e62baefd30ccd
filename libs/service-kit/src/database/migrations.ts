import { readFileSync } from "node:fs";
import { join } from "node:path";
import type pg from "pg";

/** What is done about tables at start: as a rule all of it; `only` ends then; `skip` leaves them to somebody else. */
export type MigrateMode = "migrate" | "only" | "skip";

/** The mode that PARLEY_MIGRATE names. @throws Error for another word, and for `only` without PostgreSQL, which would be done by nobody */
export function migrateMode(isPostgres: boolean, named = process.env.PARLEY_MIGRATE): MigrateMode {
  if (!named) return "migrate";
  if (named !== "only" && named !== "skip") throw new Error("PARLEY_MIGRATE is only, skip or not set");
  if (isPostgres) return named;
  if (named === "only") throw new Error("PARLEY_MIGRATE=only is for PostgreSQL: set DATABASE_URL");
  return "migrate"; // an embedded database has nobody else
}

/** Thrown under PARLEY_MIGRATE=only once the tables are up to date: `runService` ends the process with 0. */
export class MigrationsDone extends Error {
  constructor(readonly service: string) {
    super(`the tables of ${service} are up to date`);
    this.name = "MigrationsDone";
  }
}

interface Migrated {
  readonly migrationsFolder: string;
  readonly service: string;
}

/** Where drizzle finds migrations, and notes those that were applied. */
export const migrationOptions = ({ migrationsFolder, service }: Migrated) => ({
  migrationsFolder,
  migrationsSchema: `${service.replaceAll("-", "_")}_migrations`,
  migrationsTable: "applied",
});

/** @throws Error where the tables are older than this version of the service */
export async function requireMigrated(client: pg.PoolClient, settings: Migrated): Promise<void> {
  const { migrationsFolder, migrationsSchema, migrationsTable } = migrationOptions(settings);
  const journal = JSON.parse(readFileSync(join(migrationsFolder, "meta/_journal.json"), "utf8")) as {
    entries: { when: number }[];
  };
  const newest = Math.max(0, ...journal.entries.map(({ when }) => when));
  const applied = await client
    .query<{ at: string | null }>(`SELECT max(created_at) AS at FROM "${migrationsSchema}"."${migrationsTable}"`)
    .then(({ rows }) => Number(rows[0]?.at ?? 0))
    .catch((error: unknown) => {
      const { code = "" } = error as { code?: string };
      if (code === "42P01" || code === "3F000") return 0; // no such table, no such schema
      throw error;
    });
  if (applied < newest)
    throw new Error(
      `the tables of ${settings.service} are older than this version; run its migrations first: PARLEY_MIGRATE=only`,
    );
}
