import { Code, ParleyError } from "@parley/proto";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { MIGRATIONS } from "./schema.js";

export type Value = SQLInputValue;
type Bind = Readonly<Record<string, Value>>;

/**
 * The vault's tables. One process, one connection: every commit is on disk before it returns (WAL, synchronous = FULL), and
 * a second process cannot open the same folder.
 */
export class VaultDatabase {
  private readonly database: DatabaseSync;
  private readonly statements = new Map<string, StatementSync>();
  private depth = 0;

  /** @throws ParleyError FAILED_PRECONDITION where another process has the folder open */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = join(folder, "vault.sqlite");
    this.database = new DatabaseSync(file);
    try {
      this.database.exec(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; " +
          // What is deleted, an input above all, is overwritten and not only unlinked.
          "PRAGMA secure_delete = ON",
      );
      chmodSync(file, 0o600);
      this.migrate();
    } catch (cause) {
      this.database.close();
      if (cause instanceof Error && /locked|busy/i.test(cause.message))
        throw new ParleyError(
          Code.FAILED_PRECONDITION,
          "VAULT_IN_USE",
          `another process has the vault in ${folder} open`,
          "An access point runs as one replica: stop the other one first.",
          {},
          { cause },
        );
      throw cause;
    }
  }

  get<T>(sql: string, values: Bind = {}): T | undefined {
    return this.statement(sql).get(values) as T | undefined;
  }

  all<T>(sql: string, values: Bind = {}): T[] {
    return this.statement(sql).all(values) as T[];
  }

  /** Number of rows changed. */
  run(sql: string, values: Bind = {}): number {
    return Number(this.statement(sql).run(values).changes);
  }

  /** All or nothing; on disk when it returns. Within another one: a savepoint. */
  transaction<T>(work: () => T): T {
    const point = `level${this.depth}`;
    this.statement(this.depth === 0 ? "BEGIN IMMEDIATE" : `SAVEPOINT ${point}`).run();
    this.depth++;
    try {
      const result = work();
      this.statement(this.depth === 1 ? "COMMIT" : `RELEASE ${point}`).run();
      return result;
    } catch (error) {
      this.database.exec(this.depth === 1 ? "ROLLBACK" : `ROLLBACK TO ${point}; RELEASE ${point}`);
      throw error;
    } finally {
      this.depth--;
    }
  }

  /** True within a transaction: what is read now may still be taken back. */
  get isWriting(): boolean {
    return this.depth > 0;
  }

  close() {
    if (this.database.isOpen) this.database.close();
  }

  private statement(sql: string): StatementSync {
    let statement = this.statements.get(sql);
    if (!statement) this.statements.set(sql, (statement = this.database.prepare(sql)));
    return statement;
  }

  private migrate() {
    const [{ user_version: done }] = this.database.prepare("PRAGMA user_version").all() as [{ user_version: number }];
    if (done > MIGRATIONS.length)
      throw new ParleyError(
        Code.FAILED_PRECONDITION,
        "VAULT_TOO_NEW",
        `the vault has layout ${done}, this version knows ${MIGRATIONS.length}`,
        "Start the version of the access point that wrote it, or a newer one.",
      );
    for (let version = done; version < MIGRATIONS.length; version++)
      this.transaction(() => {
        this.database.exec(MIGRATIONS[version]);
        this.database.exec(`PRAGMA user_version = ${version + 1}`);
      });
  }
}

/** Seconds since 1970 with microseconds: what the tables hold. */
export const seconds = (now = performance.timeOrigin + performance.now()): number => now / 1000;
export const dateOf = (at: number): Date => new Date(at * 1000);
