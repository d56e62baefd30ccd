import type { VaultDatabase } from "./database.js";
import type { VaultFiles } from "./files.js";

type Area = "inputs" | "results";

/** Up to this size content is a row: a file costs two writes to disk of its own, a row shares the one of its transaction. */
export const ROW_BYTES = 64 * 1024;

/** How soon after a row was removed its last trace, in the database's log, is gone too. */
const ERASED_MS = 1_000;

/** Inputs and results of jobs: small ones are rows, committed with what tells of them; large ones are files. */
export class JobContent {
  private erasing: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: VaultDatabase,
    private readonly files: VaultFiles,
  ) {}

  /** Puts large content on disk. @returns what is left to do in the transaction that tells of it */
  async store(area: Area, job: string, pieces: readonly Uint8Array[]): Promise<() => void> {
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (bytes > ROW_BYTES) {
      await this.files.write(area, job, pieces);
      return () => {};
    }
    const content = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
    return () => {
      const values = { area, job, content };
      this.database.run(
        `INSERT OR REPLACE INTO job_content (area, job, content) VALUES (:area, :job, :content)`,
        values,
      );
    };
  }

  async read(area: Area, job: string): Promise<Buffer> {
    return this.row(area, job) ?? this.files.read(area, job);
  }

  async size(area: Area, job: string): Promise<number> {
    return this.row(area, job)?.length ?? this.files.size(area, job);
  }

  /** The content in pieces. */
  async *stream(area: Area, job: string): AsyncIterable<Buffer> {
    const row = this.row(area, job);
    if (row) yield row;
    else yield* this.files.stream(area, job);
  }

  /** Removes a row, in a transaction. @returns false where there was none: {@link remove} then removes the file */
  drop(area: Area, job: string): boolean {
    const { database } = this;
    const wasRow = database.run(`DELETE FROM job_content WHERE area = :area AND job = :job`, { area, job }) === 1;
    if (wasRow)
      this.erasing ??= setTimeout(() => {
        this.erasing = undefined;
        database.emptyLog();
      }, ERASED_MS).unref();
    return wasRow;
  }

  async remove(area: Area, job: string): Promise<void> {
    if (!this.drop(area, job)) await this.files.remove(area, job);
  }

  private row(area: Area, job: string): Buffer | undefined {
    const row = this.database.get<{ content: Uint8Array }>(
      `SELECT content FROM job_content WHERE area = :area AND job = :job`,
      { area, job },
    );
    return row && Buffer.from(row.content.buffer, row.content.byteOffset, row.content.byteLength);
  }
}
