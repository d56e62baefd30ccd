import { seconds, type VaultDatabase } from "./database.js";
import type { Failure, Timings } from "./jobs.js";

export interface StoredAttempt {
  readonly id: string;
  readonly job: string;
  readonly ticket: string;
  readonly state: "running" | "succeeded" | "failed";
  /** Records revealed in it. */
  readonly revealed: number;
  readonly retryable: boolean;
  readonly error?: Failure;
  readonly onlineMicros: number;
  /** True once the scheduler has recorded its report. */
  readonly recorded: boolean;
}

/** How a run of an attempt ended here. */
export interface StoredRun {
  readonly run: number;
  readonly records: number;
  /** Revealed integers; none where the run failed. */
  readonly output?: Buffer;
  readonly timings?: Timings;
  readonly revealed: boolean;
}

const COLUMNS = `id, job, ticket, state, revealed, retryable, error, online_micros AS onlineMicros, recorded`;
type Row = Omit<StoredAttempt, "retryable" | "recorded" | "error"> & {
  retryable: number;
  recorded: number;
  error: string | null;
};
const decode = (row: Row): StoredAttempt => ({
  ...row,
  retryable: row.retryable === 1,
  recorded: row.recorded === 1,
  error: row.error === null ? undefined : (JSON.parse(row.error) as Failure),
});

export class Attempts {
  constructor(private readonly database: VaultDatabase) {}

  get(id: string): StoredAttempt | undefined {
    const row = this.database.get<Row>(`SELECT ${COLUMNS} FROM attempts WHERE id = :id`, { id });
    return row && decode(row);
  }

  ofJob(job: string): StoredAttempt[] {
    return this.database
      .all<Row>(`SELECT ${COLUMNS} FROM attempts WHERE job = :job ORDER BY started_at`, { job })
      .map(decode);
  }

  running(): StoredAttempt[] {
    return this.database.all<Row>(`SELECT ${COLUMNS} FROM attempts WHERE state = 'running'`).map(decode);
  }

  /** Ended attempts whose report the scheduler has not recorded. */
  unrecorded(): StoredAttempt[] {
    return this.database
      .all<Row>(
        `SELECT ${COLUMNS} FROM attempts WHERE state <> 'running' AND recorded = 0 ORDER BY ended_at LIMIT 1000`,
      )
      .map(decode);
  }

  /** False where the attempt is known. */
  add(attempt: { id: string; job: string; ticket: string }): boolean {
    return (
      this.database.run(
        `INSERT OR IGNORE INTO attempts (id, job, ticket, state, started_at) VALUES (:id, :job, :ticket, 'running', :at)`,
        { ...attempt, at: seconds() },
      ) === 1
    );
  }

  /** Keeps the first outcome of a run; a later one changes nothing. */
  addRun(attempt: string, run: StoredRun): boolean {
    return (
      this.database.run(
        `INSERT OR IGNORE INTO attempt_runs (attempt, run, records, output, timings, revealed, ended_at)
         VALUES (:attempt, :run, :records, :output, :timings, :revealed, :at)`,
        {
          attempt,
          run: run.run,
          records: run.records,
          output: run.output ?? null,
          timings: run.timings ? JSON.stringify(run.timings) : null,
          revealed: run.revealed ? 1 : 0,
          at: seconds(),
        },
      ) === 1
    );
  }

  hasRun(attempt: string, run: number): boolean {
    return (
      this.database.get(`SELECT 1 FROM attempt_runs WHERE attempt = :attempt AND run = :run`, { attempt, run }) !==
      undefined
    );
  }

  /** Records of the runs that ended with a result. */
  recordsDone(attempt: string): number {
    return this.database.get<{ records: number }>(
      `SELECT coalesce(sum(records), 0) AS records FROM attempt_runs WHERE attempt = :attempt AND output IS NOT NULL`,
      { attempt },
    )!.records;
  }

  /** Runs that ended, in order. */
  runs(attempt: string): StoredRun[] {
    return this.database
      .all<{ run: number; records: number; output: Uint8Array | null; timings: string | null; revealed: number }>(
        `SELECT run, records, output, timings, revealed FROM attempt_runs WHERE attempt = :attempt ORDER BY run`,
        { attempt },
      )
      .map((row) => ({
        run: row.run,
        records: row.records,
        output: row.output === null ? undefined : Buffer.from(row.output),
        timings: row.timings === null ? undefined : (JSON.parse(row.timings) as Timings),
        revealed: row.revealed === 1,
      }));
  }

  /** Ends an attempt once, with the records that its runs revealed, and drops the outputs of its runs. */
  end(
    id: string,
    outcome: { succeeded: boolean; retryable?: boolean; error?: Failure; onlineMicros?: number },
  ): StoredAttempt | undefined {
    return this.database.transaction(() => {
      const changed = this.database.run(
        `UPDATE attempts SET state = :state, retryable = :retryable, error = :error, online_micros = :online, ended_at = :at,
           revealed = (SELECT coalesce(sum(records), 0) FROM attempt_runs WHERE attempt = :id AND revealed = 1)
         WHERE id = :id AND state = 'running'`,
        {
          id,
          state: outcome.succeeded ? "succeeded" : "failed",
          retryable: outcome.retryable ? 1 : 0,
          error: outcome.error ? JSON.stringify(outcome.error) : null,
          online: outcome.onlineMicros ?? 0,
          at: seconds(),
        },
      );
      if (changed === 0) return undefined;
      this.database.run(`UPDATE attempt_runs SET output = NULL WHERE attempt = :id`, { id });
      return this.get(id);
    });
  }

  markRecorded(id: string) {
    this.database.run(`UPDATE attempts SET recorded = 1 WHERE id = :id AND state <> 'running'`, { id });
  }
}
