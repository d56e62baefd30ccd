import type { Vault } from "../../store/vault.js";

/** Somebody who is given a job's result as soon as there is one. */
export interface ResultReader {
  readonly job: string;
  readonly actor: string;
  readonly traceId: string;
}

/**
 * Who waits for which result. That they read it is noted in the transaction that stores the result, so that handing it out
 * needs no write of its own; whoever comes later is noted when they come.
 */
export class ResultReaders {
  private readonly waiting = new Map<string, Set<ResultReader>>();

  constructor(private readonly vault: Vault) {}

  add(reader: ResultReader) {
    const readers = this.waiting.get(reader.job) ?? new Set();
    this.waiting.set(reader.job, readers.add(reader));
  }

  remove(reader: ResultReader) {
    const readers = this.waiting.get(reader.job);
    readers?.delete(reader);
    if (readers?.size === 0) this.waiting.delete(reader.job);
  }

  /** Notes those who wait for a job's result; in the transaction that stores it. @returns what to call after its commit */
  noteAll(job: string): () => void {
    const readers = [...(this.waiting.get(job) ?? [])];
    for (const reader of readers) this.append(reader);
    return () => readers.forEach((reader) => this.remove(reader));
  }

  /** Notes one, unless it was noted with the result. */
  async note(reader: ResultReader): Promise<void> {
    if (!this.waiting.get(reader.job)?.has(reader)) return;
    this.remove(reader);
    await this.vault.group.run(() => this.append(reader));
  }

  private append({ job, actor, traceId }: ResultReader) {
    this.vault.audit.append({ action: "result.read", actor, subject: job.slice(0, 64), traceId });
  }
}
