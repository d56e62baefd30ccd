import type { VaultDatabase } from "./database.js";

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
    clearTimeout(this.timer);
    this.timer = undefined;
    const deferred = this.deferred.splice(0);
    if (deferred.length > 0) this.database.transaction(() => deferred.forEach((work) => work()));
  }

  private flush() {
    const group = this.waiting.splice(0, MOST);
    if (this.waiting.length > 0) setImmediate(() => this.flush());
    const answers: (() => void)[] = [];
    try {
      this.database.transaction(() => {
        this.settle();
        for (const { work, resolve, reject } of group) {
          try {
            const value = this.database.transaction(work);
            answers.push(() => resolve(value));
          } catch (error) {
            answers.push(() => reject(error));
          }
        }
      });
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    for (const answer of answers) answer();
  }
}
