import { seconds, type VaultDatabase } from "./database.js";

export type JobStatus = "submitting" | "queued" | "running" | "succeeded" | "failed" | "cancelled";
export const hasEnded = (state: JobStatus): boolean =>
  state === "succeeded" || state === "failed" || state === "cancelled";

/** Why something failed. Never holds data. */
export interface Failure {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly hint: string;
}

/** Of one run, or summed over runs; microseconds and payload bytes. */
export interface Timings {
  readonly onlineMicros: number;
  readonly bindMicros: number;
  readonly offlineMicros: number;
  readonly messages: number;
  readonly bytesP1ToP0: number;
  readonly bytesP0ToP1: number;
}
export type JobTimes = Timings & { readonly submitToResultMicros: number; readonly runs: number };

/** A job of this organisation. Its input and its result are its content under its id. */
export interface StoredJob {
  readonly id: string;
  readonly user: string;
  readonly name: string;
  readonly operation: string;
  readonly assetId: string;
  /** Digest of the agreement, hex. */
  readonly agreement: string;
  readonly agreementId: string;
  readonly records: number;
  /** SHA-256 of the submission, hex: what makes a repeated submission the same one. */
  readonly content: string;
  readonly state: JobStatus;
  readonly traceparent: string;
  readonly receivedAt: number;
  readonly endedAt?: number;
  readonly error?: Failure;
  readonly timings?: JobTimes;
}

const COLUMNS = `id, user, name, operation, asset_id AS assetId, agreement, agreement_id AS agreementId, records, content, state,
  traceparent, received_at AS receivedAt, ended_at AS endedAt, error, timings`;
type Row = Omit<StoredJob, "endedAt" | "error" | "timings"> & {
  endedAt: number | null;
  error: string | null;
  timings: string | null;
};
const decode = (row: Row): StoredJob => ({
  ...row,
  endedAt: row.endedAt ?? undefined,
  error: row.error === null ? undefined : (JSON.parse(row.error) as Failure),
  timings: row.timings === null ? undefined : (JSON.parse(row.timings) as JobTimes),
});

export class Jobs {
  constructor(private readonly database: VaultDatabase) {}

  get(id: string): StoredJob | undefined {
    const row = this.database.get<Row>(`SELECT ${COLUMNS} FROM jobs WHERE id = :id`, { id });
    return row && decode(row);
  }

  /** Newest first, before `before` (a job id; ids sort by time). */
  list(filter: { state?: JobStatus; user?: string; before?: string; limit: number }): StoredJob[] {
    return this.database
      .all<Row>(
        `SELECT ${COLUMNS} FROM jobs WHERE (:state IS NULL OR state = :state) AND (:user IS NULL OR user = :user)
           AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit`,
        {
          state: filter.state ?? null,
          user: filter.user ?? null,
          before: filter.before ?? null,
          limit: filter.limit,
        },
      )
      .map(decode);
  }

  unended(): StoredJob[] {
    return this.database
      .all<Row>(`SELECT ${COLUMNS} FROM jobs WHERE state IN ('submitting', 'queued', 'running') ORDER BY id`)
      .map(decode);
  }

  /** False where the id is taken. */
  add(job: Omit<StoredJob, "state" | "endedAt" | "error" | "timings">): boolean {
    return (
      this.database.run(
        `INSERT OR IGNORE INTO jobs (id, user, name, operation, asset_id, agreement, agreement_id, records, content, state, traceparent, received_at)
         VALUES (:id, :user, :name, :operation, :assetId, :agreement, :agreementId, :records, :content, 'submitting', :traceparent, :receivedAt)`,
        { ...job },
      ) === 1
    );
  }

  /** Forgets a job that the scheduler refused to create: nothing was spent on it. */
  forget(id: string) {
    this.database.run(`DELETE FROM jobs WHERE id = :id AND state = 'submitting'`, { id });
  }

  /** The scheduler has the job; one that is further already stays as it is. */
  accepted(id: string) {
    this.database.run(`UPDATE jobs SET state = 'queued' WHERE id = :id AND state = 'submitting'`, { id });
  }

  /** Moves a job that has not ended. */
  move(id: string, to: "queued" | "running"): boolean {
    return (
      this.database.run(`UPDATE jobs SET state = :to WHERE id = :id AND state IN ('submitting', 'queued', 'running')`, {
        id,
        to,
      }) === 1
    );
  }

  /** Ends a job once; false where it had ended before. */
  end(id: string, to: "succeeded" | "failed" | "cancelled", outcome: { error?: Failure; timings?: JobTimes }): boolean {
    return (
      this.database.run(
        `UPDATE jobs SET state = :to, ended_at = :at, error = :error, timings = :timings
         WHERE id = :id AND state IN ('submitting', 'queued', 'running')`,
        {
          id,
          to,
          at: seconds(),
          error: outcome.error ? JSON.stringify(outcome.error) : null,
          timings: outcome.timings ? JSON.stringify(outcome.timings) : null,
        },
      ) === 1
    );
  }
}
