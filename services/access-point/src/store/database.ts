import { Code, ParleyError } from "@parley/proto";
import { chmodSync, closeSync, fdatasync, fdatasyncSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { MIGRATIONS } from "./schema.js";

export type Value = SQLInputValue;
/** A disk that answers within this time is waited for in place. */
const QUICK_SYNC_MS = 0.5;

type Bind = Readonly<Record<string, Value>>;

/**
 * The vault's tables. One process, one connection; a second process cannot open the same folder. SQLite commits into its
 * write-ahead log (synchronous = NORMAL: it synchronises a new log's header and every checkpoint itself) and this class
 * synchronises the log: at once, so that every commit is on disk when it returns, or for a {@link commit} that somebody
 * else follows with {@link sync}, without holding up the process.
 */
export class VaultDatabase {
  private readonly database: DatabaseSync;
  private readonly file: string;
  private log: number | undefined;
  private failed: Error | undefined;
  /** Moving average; supposed slow at first. */
  private usualSyncMs = 10 * QUICK_SYNC_MS;
  private readonly statements = new Map<string, StatementSync>();
  private depth = 0;

  /** @throws ParleyError FAILED_PRECONDITION where another process has the folder open */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.file = join(folder, "vault.sqlite");
    this.database = new DatabaseSync(this.file);
    try {
      this.database.exec(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; " +
          // What is deleted, an input above all, is overwritten and not only unlinked.
          "PRAGMA secure_delete = ON; " +
          // In pages of 4 KiB: a checkpoint holds up the process, so there is one for some hundred jobs.
          "PRAGMA wal_autocheckpoint = 4000",
      );
      chmodSync(this.file, 0o600);
      this.migrate();
      this.emptyLog(); // of a process that was killed before it could
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

  /** Number of rows changed; on disk when it returns, save within a transaction. */
  run(sql: string, values: Bind = {}): number {
    this.requireSound();
    const changes = Number(this.statement(sql).run(values).changes);
    if (this.depth === 0) this.syncNow();
    return changes;
  }

  /** All or nothing; on disk when it returns. Within another one: a savepoint. */
  transaction<T>(work: () => T): T {
    const result = this.commit(work);
    if (this.depth === 0) this.syncNow();
    return result;
  }

  /**
   * Puts all that was committed so far on disk, without holding up the process: on another thread, save on a disk so quick
   * that the way there and back takes longer. @throws Error where the disk fails
   */
  async sync(): Promise<void> {
    const started = performance.now();
    if (this.usualSyncMs < QUICK_SYNC_MS) this.syncNow();
    else
      await new Promise<void>((resolve, reject) => {
        fdatasync(this.openLog(), (error) => (error ? reject(this.fail(error)) : resolve()));
      });
    this.usualSyncMs += (performance.now() - started - this.usualSyncMs) / 8;
  }

  private syncNow() {
    try {
      fdatasyncSync(this.openLog());
    } catch (error) {
      throw this.fail(error);
    }
  }

  private openLog(): number {
    return (this.log ??= openSync(`${this.file}-wal`, "r+"));
  }

  /** What a failed synchronisation left on the disk is not known, and the next one may seem to succeed: nothing is written any more. */
  private fail(cause: unknown): Error {
    this.failed ??= new Error("the vault's disk failed; restart the access point when it is sound", { cause });
    return this.failed;
  }

  private requireSound() {
    if (this.failed) throw this.failed;
  }

  /** All or nothing; on disk only after {@link sync}. Within another one: a savepoint. */
  commit<T>(work: () => T): T {
    this.requireSound();
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

  /**
   * Moves the write-ahead log into the tables and empties it: what was deleted since is overwritten there, and is in no log.
   * Holds up the process for as long as the log is; not within a transaction.
   */
  emptyLog() {
    if (this.database.isOpen) this.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  /** True within a transaction: what is read now may still be taken back. */
  get isWriting(): boolean {
    return this.depth > 0;
  }

  close() {
    if (this.database.isOpen) this.database.close();
    if (this.log !== undefined) closeSync(this.log);
    this.log = undefined;
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
