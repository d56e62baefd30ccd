import { Code, ParleyError } from "@parley/proto";
import type { PartyNumber } from "./agreements.js";
import { seconds, type VaultDatabase } from "./database.js";

/** A run that a ticket bound at the model owner. Ids and digests are hex. */
export interface BoundRun {
  readonly attempt: string;
  readonly run: number;
  readonly job: string;
  readonly agreement: string;
  readonly batch: string;
  readonly records: number;
  readonly worker: string;
  readonly peerCertificate: string;
  readonly traceId: string;
}
export type EndedRun = BoundRun & { readonly state: "revealed" | "released" };

const COLUMNS = `attempt, run, job, agreement, batch, records, worker, peer_certificate AS peerCertificate, trace_id AS traceId, state`;

/**
 * What may happen once only: a batch is prepared once, a run of an attempt is bound once, a bound run takes quota once.
 * Every method is one transaction, on disk when it returns, and may run within a group commit.
 */
export class RunLedger {
  constructor(private readonly database: VaultDatabase) {}

  /** @throws ParleyError ALREADY_EXISTS for a batch that was recorded before, by whichever worker */
  recordBatch(batch: { id: string; agreement: string; records: number; party: PartyNumber }) {
    const added = this.database.run(
      `INSERT OR IGNORE INTO batches (id, agreement, records, party, recorded_at) VALUES (:id, :agreement, :records, :party, :at)`,
      { ...batch, at: seconds() },
    );
    if (added === 0)
      throw new ParleyError(
        Code.ALREADY_EXISTS,
        "BATCH_USED",
        `batch ${batch.id} was prepared before`,
        "Prepare a session with a new batch; this one is spent.",
      );
  }

  /**
   * Binds a run to a prepared batch and takes its records from the agreement's quota.
   * @throws ParleyError ALREADY_EXISTS, FAILED_PRECONDITION (batch), RESOURCE_EXHAUSTED (quota); then nothing is taken
   */
  bind(run: BoundRun) {
    this.database.transaction(() => {
      const batch = this.database.get<{ agreement: string; records: number; party: number }>(
        `SELECT agreement, records, party FROM batches WHERE id = :batch`,
        { batch: run.batch },
      );
      if (!batch || batch.agreement !== run.agreement || batch.records !== run.records || batch.party !== 0)
        throw new ParleyError(
          Code.FAILED_PRECONDITION,
          "BATCH_NOT_PREPARED",
          `batch ${run.batch} was not prepared here for ${run.records} records of this agreement`,
          "Record the batch when the session is prepared.",
        );
      const bound = this.database.run(
        `INSERT OR IGNORE INTO bound_runs (attempt, run, job, agreement, batch, records, worker, peer_certificate, trace_id, state, bound_at)
         VALUES (:attempt, :run, :job, :agreement, :batch, :records, :worker, :peerCertificate, :traceId, 'bound', :at)`,
        { ...run, at: seconds() },
      );
      if (bound === 0)
        throw new ParleyError(
          Code.ALREADY_EXISTS,
          "RUN_BOUND",
          `run ${run.run} of attempt ${run.attempt}, or its batch, is bound already`,
          "A run of an attempt is bound once; the job needs a new attempt.",
        );
      const taken = this.database.run(
        `UPDATE agreements SET used = used + :records WHERE digest = :agreement AND state = 'active' AND used + :records <= records`,
        { agreement: run.agreement, records: run.records },
      );
      if (taken === 0) this.refuseQuota(run);
    });
  }

  /** Ends a bound run; quota returns only where nothing was revealed. Undefined where it had ended before, or was never bound. */
  end(attempt: string, run: number, revealed: boolean): EndedRun | undefined {
    return this.database.transaction(() => {
      const state = revealed ? "revealed" : "released";
      const ended = this.database.run(
        `UPDATE bound_runs SET state = :state, ended_at = :at WHERE attempt = :attempt AND run = :run AND state = 'bound'`,
        { attempt, run, state, at: seconds() },
      );
      if (ended === 0) return undefined;
      const row = this.find(attempt, run)!;
      if (!revealed)
        this.database.run(`UPDATE agreements SET used = used - :records WHERE digest = :agreement`, {
          records: row.records,
          agreement: row.agreement,
        });
      return row as EndedRun;
    });
  }

  find(attempt: string, run: number): (BoundRun & { state: "bound" | "revealed" | "released" }) | undefined {
    return this.database.get(`SELECT ${COLUMNS} FROM bound_runs WHERE attempt = :attempt AND run = :run`, {
      attempt,
      run,
    });
  }

  /** Runs that are bound and not ended: of one worker, or all. */
  open(worker?: string): BoundRun[] {
    return this.database.all(
      `SELECT ${COLUMNS} FROM bound_runs WHERE state = 'bound' AND (:worker IS NULL OR worker = :worker)`,
      { worker: worker ?? null },
    );
  }

  /** Ended runs that the router has not acknowledged. */
  unreported(): EndedRun[] {
    return this.database.all(
      `SELECT ${COLUMNS} FROM bound_runs WHERE state <> 'bound' AND reported = 0 ORDER BY ended_at LIMIT 256`,
    );
  }

  markReported(attempt: string, run: number) {
    this.database.run(`UPDATE bound_runs SET reported = 1 WHERE attempt = :attempt AND run = :run`, { attempt, run });
  }

  private refuseQuota(run: BoundRun): never {
    const held = this.database.get<{ id: string; used: number; records: number; state: string }>(
      `SELECT id, used, records, state FROM agreements WHERE digest = :agreement`,
      { agreement: run.agreement },
    );
    if (held?.state !== "active")
      throw new ParleyError(
        Code.FAILED_PRECONDITION,
        "AGREEMENT_NOT_ACTIVE",
        `agreement ${held?.id ?? run.agreement} is not active`,
        "Ask the model owner for a new agreement.",
      );
    throw new ParleyError(
      Code.RESOURCE_EXHAUSTED,
      "QUOTA_USED_UP",
      `agreement ${held.id} has ${held.records - held.used} of ${held.records} records left; the run needs ${run.records}`,
      "Ask the model owner for a new agreement with more records.",
    );
  }
}
