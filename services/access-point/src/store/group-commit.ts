import type { VaultDatabase } from "./database.js";

interface Committed {
  readonly answer: () => void;
  readonly reject: (error: unknown) => void;
}

interface Waiting {
  readonly work: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Protocol, section 3: at most this many ids in one transaction. */
const MOST = 64;
const LATER_MS = 500;

/**
 * Puts concurrent small transactions into one, so that they share one write to disk. Each keeps its own savepoint: one that
 * throws takes back only its own rows. Callers hear of success only once the whole is on disk.
 */
export class GroupCommit {
  private waiting: Waiting[] = [];
  private deferred: (() => void)[] = [];
  private timer: NodeJS.Timeout | undefined;
  /** Committed, and not known to be on disk. */
  private readonly committed: Committed[] = [];
  private isSyncing = false;

  constructor(private readonly database: VaultDatabase) {}

  run<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ work, resolve: resolve as (value: unknown) => void, reject });
      if (this.waiting.length === 1) setImmediate(() => this.flush());
    });
  }

  /**
   * Work that nobody waits for and that may be lost in a crash: it joins the next transaction, and makes one of its own only
   * where none comes for a while. It must not throw.
   */
  later(work: () => void) {
    this.deferred.push(work);
    this.timer ??= setTimeout(() => this.settle(), LATER_MS).unref();
  }

  /** Does what was put off. */
  settle() {
    const deferred = this.takeDeferred();
    if (deferred.length > 0) this.database.transaction(() => deferred.forEach((work) => work()));
  }

  private takeDeferred() {
    clearTimeout(this.timer);
    this.timer = undefined;
    return this.deferred.splice(0);
  }

  private flush() {
    const group = this.waiting.splice(0, MOST);
    if (this.waiting.length > 0) setImmediate(() => this.flush());
    const deferred = this.takeDeferred();
    const answers: Committed[] = [];
    try {
      this.database.commit(() => {
        for (const work of deferred) work();
        for (const { work, resolve, reject } of group) {
          try {
            const value = this.database.commit(work);
            answers.push({ answer: () => resolve(value), reject });
          } catch (error) {
            answers.push({ answer: () => reject(error), reject });
          }
        }
      });
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    this.committed.push(...answers);
    void this.sync();
  }

  /** What is committed while the disk works is put on it by the next write. */
  private async sync() {
    if (this.isSyncing) return;
    this.isSyncing = true;
    while (this.committed.length > 0) {
      const answers = this.committed.splice(0);
      try {
        await this.database.sync();
        for (const { answer } of answers) answer();
      } catch (error) {
        for (const { reject } of answers) reject(error);
      }
    }
    this.isSyncing = false;
  }
}
