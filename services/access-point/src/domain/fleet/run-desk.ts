import { isId } from "@parley/agreement";
import { cutRuns } from "@parley/plan";
import { Code, ParleyError, fleet } from "@parley/proto";
import { continueTrace, count, withSpan, type Logger } from "@parley/service-kit";
import { isCurrent, type HeldAgreement } from "../../store/agreements.js";
import type { BoundRun } from "../../store/run-ledger.js";
import type { Vault } from "../../store/vault.js";
import type { Changes } from "../changes.js";
import { pause } from "../pause.js";
import { planOf } from "../plans.js";
import { denied, invalid, precondition } from "../refusal.js";
import type { Tickets } from "../tickets.js";
import type { AttachedWorker } from "./attached-worker.js";
import { keyOf } from "./dispatcher.js";
import { OpeningRate } from "./opening-rate.js";
import type { Fleet } from "./fleet.js";

const hexOf = (bytes: Buffer, length: number, what: string): string => {
  if (bytes.length !== length) throw invalid("FIELD_LENGTH", `${what} has ${length} bytes, not ${bytes.length}`);
  return bytes.toString("hex");
};

/** Counts what the ledger refuses because it was used before: somebody tried to use it twice. */
const refusedAsUsed = <T>(work: Promise<T>): Promise<T> =>
  work.catch((error: unknown) => {
    // A run that is bound again may be one whose worker died between the two: no batch is used twice by that.
    if (error instanceof ParleyError && error.reason === "BATCH_USED")
      count("parley.ledger.refusals", { where: "access-point" });
    throw error;
  });

/** How long a bound run may stay without word from its worker before its records count as revealed. */
const PRESUME_MS = 60_000;
/** How often it is looked whether all bound runs have ended. */
const LOOK_MS = 20;

/**
 * What an organisation's workers ask its access point before anything irreversible: a batch is recorded before its part is
 * used; a run is bound, and its quota taken, before its input share is answered. All of it is on disk before the answer.
 */
export class RunDesk {
  /** Bound runs under way now, with the agreement's digest. Their sessions are no longer prepared ones. */
  private readonly bound = new Map<string, string>();
  private binding = 0;
  private draining = false;
  private readonly openings = new OpeningRate("sessions were opened");
  private readonly batches = new OpeningRate("batches were named");

  constructor(
    private readonly own: { readonly id: string },
    private readonly vault: Vault,
    private readonly fleet: Fleet,
    private readonly tickets: Tickets,
    private readonly changes: Changes,
    private readonly logger: Logger,
    private readonly presumeMs = PRESUME_MS,
  ) {}

  /** @throws ParleyError ALREADY_EXISTS for a batch that was recorded before; FAILED_PRECONDITION without the agreement */
  async recordBatch(request: fleet.RecordBatch): Promise<void> {
    const id = hexOf(request.batchId, 16, "a batch id");
    const agreement = this.inForce(hexOf(request.agreementDigest, 32, "an agreement digest"));
    const party =
      request.party === fleet.Party.PARTY_SERVER ? 0 : request.party === fleet.Party.PARTY_CLIENT ? 1 : undefined;
    if (party !== agreement.party)
      throw invalid("PARTY", `this organisation is P${agreement.party} of agreement ${agreement.id}`);
    if (request.records < 1) throw invalid("RECORDS", "a batch is for at least one record");
    if (party === 0) this.batches.require(agreement); // the data owner's worker named it, many at once where it likes
    const stored = this.vault.group.run(() => {
      this.vault.ledger.recordBatch({ id, agreement: agreement.digest, records: request.records, party });
      this.vault.audit.append({
        action: "batch.prepared",
        actor: `${this.own.id}/worker`,
        subject: agreement.id,
        traceId: continueTrace(request.traceparent).traceId,
        details: { batch: id, records: request.records },
      });
    });
    await refusedAsUsed(stored);
  }

  /**
   * Binds a run at the model owner. The ticket must be the scheduler's, in time, and say nothing that differs from the
   * agreement, the peer's statement or the session; run and batch are bound once; the records fit the own count of quota.
   */
  bind(request: fleet.BindRun, worker: AttachedWorker): Promise<void> {
    const { jobId, attemptId, run, records } = request;
    // The peer named these: an id is told only where it can be one.
    const attributes = {
      ...(isId("job", jobId) && { "parley.job.id": jobId }),
      ...(isId("att", attemptId) && { "parley.attempt.id": attemptId }),
      "parley.run": run,
      "parley.records": records,
    };
    const parent = continueTrace(request.traceparent || undefined);
    return withSpan("parley.bind", attributes, () => refusedAsUsed(this.bindInTrace(request, worker)), { parent });
  }

  /** The access point stops: no more runs are bound, and those that are may end, for at most `ms`. */
  async drain(ms: number): Promise<void> {
    this.draining = true;
    const isBusy = () => this.binding > 0 || this.bound.size > 0;
    for (const until = performance.now() + ms; isBusy() && performance.now() < until;) await pause(LOOK_MS);
  }

  private async bindInTrace(request: fleet.BindRun, worker: AttachedWorker): Promise<void> {
    if (this.draining)
      throw new ParleyError(
        Code.UNAVAILABLE,
        "DRAINING",
        `the access point of ${this.own.id} is shutting down`,
        "The run is tried again.",
      );
    this.binding++;
    await this.bindNow(request, worker).finally(() => this.binding--);
  }

  private async bindNow(request: fleet.BindRun, worker: AttachedWorker): Promise<void> {
    const agreement = this.inForce(hexOf(request.agreementDigest, 32, "an agreement digest"));
    if (agreement.party !== 0)
      throw denied("NOT_MODEL_OWNER", `${this.own.id} is not the model owner of agreement ${agreement.id}`);
    const claims = await this.tickets.verify(request.ticket).catch((error: unknown) => {
      this.refusedBind(agreement, request, error);
      throw error;
    });
    this.tickets.requireFits(claims, agreement, { job: request.jobId, attempt: request.attemptId });
    const total = claims.runs.reduce((sum, records) => sum + records, 0);
    const cut = cutRuns(total, planOf(agreement).maxRecords).join() === claims.runs.join();
    if (!cut || claims.runs[request.run] !== request.records)
      throw precondition(
        "TICKET_DIFFERS",
        `the ticket of attempt ${request.attemptId} does not state a run ${request.run} of ${request.records} records`,
        "The attempt is refused; nothing was spent.",
      );
    const run: BoundRun = {
      attempt: request.attemptId,
      run: request.run,
      job: request.jobId,
      agreement: agreement.digest,
      batch: hexOf(request.batchId, 16, "a batch id"),
      records: request.records,
      worker: worker.name,
      peerCertificate: hexOf(request.peerCertificate, 32, "a certificate fingerprint"),
      traceId: continueTrace(request.traceparent).traceId,
    };
    await this.vault.group.run(() => {
      this.inForce(agreement.digest); // the ticket's check took time, in which the agreement may have ended
      this.vault.ledger.bind(run);
      this.vault.audit.append({
        action: "run.bound",
        actor: agreement.partner,
        subject: run.job,
        traceId: run.traceId,
        details: {
          agreement: agreement.id,
          attempt: run.attempt,
          run: run.run,
          records: run.records,
          batch: run.batch,
        },
      });
    });
    this.bound.set(keyOf(run.attempt, run.run), agreement.digest);
  }

  /** A forged, expired or foreign ticket leaves a trace. */
  private refusedBind(agreement: HeldAgreement, request: fleet.BindRun, error: unknown) {
    this.vault.audit.append({
      action: "run.refused",
      actor: agreement.partner,
      subject: agreement.id,
      traceId: continueTrace(request.traceparent).traceId,
      details: {
        attempt: request.attemptId.slice(0, 40),
        reason: error instanceof ParleyError ? error.reason : "INTERNAL",
      },
    });
  }

  /** How a bound run ended: its quota returns only where the last message did not leave. */
  async ended(request: fleet.RunEnded): Promise<void> {
    const known = this.vault.ledger.find(request.attemptId, request.run);
    if (!known || known.batch !== request.batchId.toString("hex"))
      throw precondition(
        "RUN_NOT_BOUND",
        `run ${request.run} of attempt ${request.attemptId} is not bound to that batch`,
      );
    await this.end(known, request.revealed, "run.ended", {
      bytesReceived: Number(request.bytesReceived),
      bytesSent: Number(request.bytesSent),
    });
  }

  /** @throws ParleyError FAILED_PRECONDITION where another digest is pinned for the mask */
  async pinMask(request: fleet.PinMask): Promise<void> {
    const agreement = this.inForce(hexOf(request.agreementDigest, 32, "an agreement digest"));
    if (agreement.party !== 1)
      throw denied("NOT_DATA_OWNER", `${this.own.id} is not the data owner of agreement ${agreement.id}`);
    const mask = {
      id: hexOf(request.maskId, 32, "a mask id"),
      agreement: agreement.digest,
      nonce: hexOf(request.maskNonce, 16, "a mask nonce"),
      digest: hexOf(request.maskedWeightsDigest, 32, "a digest of D"),
    };
    const before = agreement.maskId;
    await this.vault.group.run(() => {
      this.vault.agreements.pinMask(mask);
      if (before === undefined)
        this.vault.audit.append({
          action: "mask.pinned",
          actor: `${this.own.id}/worker`,
          subject: agreement.id,
          details: { mask: mask.id, digest: mask.digest },
        });
    });
    if (before === undefined) this.changes.emit("agreements");
  }

  /** One more session may be prepared under an agreement, or not. @throws ParleyError RESOURCE_EXHAUSTED */
  openSession(request: fleet.OpenSession, worker: AttachedWorker): void {
    const agreement = this.inForce(hexOf(request.agreementDigest, 32, "an agreement digest"));
    if (agreement.party !== 0)
      throw denied("NOT_MODEL_OWNER", `${this.own.id} is not the model owner of agreement ${agreement.id}`);
    if (worker.sessions.has(request.session))
      throw new ParleyError(Code.ALREADY_EXISTS, "SESSION_OPEN", `session ${request.session} is open already`);
    const running = [...this.bound.values()].filter((digest) => digest === agreement.digest).length;
    if (this.fleet.sessions(agreement.digest) - running >= agreement.maxPrepared)
      throw new ParleyError(
        Code.RESOURCE_EXHAUSTED,
        "MAX_PREPARED",
        `agreement ${agreement.id} has its ${agreement.maxPrepared} prepared sessions already`,
        "Close one that is not needed, or wait; the agreement sets the number (max_prepared).",
      );
    this.openings.require(agreement);
    worker.sessions.set(request.session, agreement.digest);
  }

  closeSession({ session }: fleet.CloseSession, worker: AttachedWorker): void {
    worker.sessions.delete(session);
  }

  /** A worker's stream broke: what it had bound counts as revealed unless it says otherwise in time. */
  lost(worker: AttachedWorker) {
    worker.sessions.clear();
    // Their sessions are gone with the worker: they must not make room for more than maxPrepared.
    for (const { attempt, run } of this.vault.ledger.open(worker.name)) this.bound.delete(keyOf(attempt, run));
    const runs = this.vault.ledger.open(worker.name);
    if (runs.length > 0) setTimeout(() => this.presume(runs), this.presumeMs).unref();
  }

  /** After a start: the same for every run that was bound when the access point stopped. */
  recover() {
    const runs = this.vault.ledger.open();
    if (runs.length > 0) setTimeout(() => this.presume(runs), this.presumeMs).unref();
  }

  private presume(runs: readonly BoundRun[]) {
    for (const run of runs)
      this.end(run, true, "run.presumed-revealed", {}).catch((error: unknown) =>
        this.logger.warn({ attempt: run.attempt, err: error }, "a lost run could not be closed"),
      );
  }

  private async end(run: BoundRun, revealed: boolean, action: string, details: Record<string, number>) {
    const ended = await this.vault.group.run(() => {
      const row = this.vault.ledger.end(run.attempt, run.run, revealed);
      if (row)
        this.vault.audit.append({
          action,
          actor: `${this.own.id}/worker`,
          subject: run.job,
          traceId: run.traceId,
          details: { attempt: run.attempt, run: run.run, records: run.records, revealed, ...details },
        });
      return row;
    });
    this.bound.delete(keyOf(run.attempt, run.run));
    if (ended) this.changes.emit("run");
  }

  /** @throws ParleyError FAILED_PRECONDITION */
  private inForce(digest: string): HeldAgreement {
    const agreement = this.vault.agreements.byDigest(digest);
    if (agreement && isCurrent(agreement)) return agreement;
    throw precondition(
      "AGREEMENT_NOT_ACTIVE",
      agreement ? `agreement ${agreement.id} is not in force` : `no agreement with digest ${digest} is held here`,
      "It was revoked, suspended or has expired; ask the partner for a new one.",
    );
  }
}
