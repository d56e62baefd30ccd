import { AgreementError, isId, verifyAgreement, type VerifiedAgreement } from "@parley/agreement";
import { PlanError, cutRuns } from "@parley/plan";
import { Code, ParleyError, agreements, type ServiceClient, type scheduler } from "@parley/proto";
import { Batches, Exchange, currentTrace, traceparentOf, withSpan, type Logger } from "@parley/service-kit";
import type { FirstAttempt, JobRow, JobStore } from "../store/job-store.js";
import type { Attachment } from "./attachment.js";
import type { Attachments } from "./attachments.js";
import { backoff, type JobQueue } from "./job-queue.js";

export type AgreementsClient = ServiceClient<typeof agreements.AgreementsServiceService>;

const MAX_RUNS = 1024;
const MOST = 1_000;
const invalid = (reason: string, message: string, hint = "") =>
  new ParleyError(Code.INVALID_ARGUMENT, reason, message, hint);

/** How a job comes into being: quota first, then the job in the database, then its attempt, or its id in the queue. */
export class JobIntake {
  /** Agreements that were verified, by id: one that both signed stays as it is. */
  private readonly verified = new Map<string, VerifiedAgreement>();
  private readonly reservations: Exchange<agreements.ReserveRequest, agreements.ReserveResponse>;
  private readonly wishes = new Batches<agreements.ReserveWish, string>((wishes) => this.reserveAll(wishes));

  constructor(
    private readonly jobs: JobStore,
    private readonly queue: JobQueue,
    private readonly attachments: Pick<Attachments, "of">,
    agreements: Pick<AgreementsClient, "reserve">,
    private readonly logger: Logger,
  ) {
    this.reservations = new Exchange(agreements.reserve);
  }

  close(): void {
    this.reservations.close();
  }

  /**
   * Idempotent by job id. With Redis away nothing is begun (UNAVAILABLE). Where the data owner's stream ends here and has a
   * place free for which no job waits, the job begins with its attempt; else it is queued, and where Redis goes away in
   * between, it is queued when Redis is back.
   * @throws ParleyError
   */
  async create(org: string, request: scheduler.CreateJobRequest): Promise<JobRow> {
    checkRequest(request);
    const { jobId: id, name, operation, assetId, agreementId, records, maxRecords } = request;
    const reserved = await this.reserve(org, request).catch(async (error: unknown) => {
      const known = await this.jobs.get(id);
      if (known) return known;
      throw error;
    });
    if ("id" in reserved) return this.same(reserved, org, request);
    const { terms, digest } = reserved;
    const trace = currentTrace();
    const attachment = this.attachments.of(org);
    const first = attachment?.tryReserve();
    const job = {
      id,
      organisationId: org,
      modelOwner: terms.modelOwner.org,
      name,
      operation,
      assetId,
      agreementId,
      agreementDigest: digest.toString("hex"),
      planDigest: terms.asset.planDigest,
      records,
      maxRecords,
      traceparent: trace ? traceparentOf(trace) : "",
    };
    let row: JobRow | undefined;
    try {
      row = await this.jobs.create(job, first);
    } finally {
      if (first && row?.state !== "running") attachment?.giveBack();
    }
    if (!row) return this.same(await this.jobs.get(id), org, request);
    if (first && attachment && row.state === "running") void this.begin(attachment, row, first);
    else {
      attachment?.noteQueued(id);
      await this.enqueue(row);
    }
    return row;
  }

  private async begin(attachment: Attachment, row: JobRow, first: FirstAttempt) {
    if (await attachment.begin(row, first)) await this.enqueue(row, backoff(1));
  }

  private async enqueue({ id, organisationId }: JobRow, delay = 0): Promise<void> {
    try {
      if (await this.queue.add(organisationId, [id], delay)) return await this.jobs.markQueued([id]);
    } catch (error) {
      this.logger.warn({ job: id, err: error }, "the job could not be marked as queued");
    }
    this.logger.warn({ job: id }, "the job is stored, and will be queued when redis answers");
  }

  /** A reservation of which no job comes is taken back by the sweeper. */
  private async reserve(organisationId: string, request: scheduler.CreateJobRequest): Promise<VerifiedAgreement> {
    if (!this.queue.ready)
      throw new ParleyError(
        Code.UNAVAILABLE,
        "QUEUE_UNAVAILABLE",
        "the scheduler's job queue (Redis) is not reachable, so no jobs are taken",
        "Nothing was reserved; submit again in a moment, or ask the router's operator.",
      );
    const { jobId, agreementId, assetId, records, operation } = request;
    const wish = { jobId, agreementId, assetId, organisationId, records, operation };
    await withSpan("parley.reserve", { "parley.records": records }, () => this.wishes.run(wish));
    const agreement = this.verified.get(agreementId);
    if (agreement) return agreement;
    throw new ParleyError(
      Code.FAILED_PRECONDITION,
      "AGREEMENT_UNVERIFIED",
      `agreement ${agreementId} does not verify at the scheduler`,
      "Ask the router's operator: what its agreements service holds was changed.",
    );
  }

  private async reserveAll(wishes: readonly agreements.ReserveWish[]): Promise<(string | Error)[]> {
    if (this.verified.size >= MOST) this.verified.clear();
    const ids = new Set(wishes.map(({ agreementId }) => agreementId));
    const known = [...ids].filter((id) => this.verified.has(id));
    const answer = await this.reservations.ask({ wishes: [...wishes], known });
    for (const { id, jws } of answer.agreements) this.verify(id, jws);
    return wishes.map(({ agreementId }, index) => {
      const { code, reason, message, hint, details } = answer.answers[index];
      return code === Code.OK ? agreementId : new ParleyError(code, reason, message, hint, details);
    });
  }

  /** Whether it is in force now is what the reservation said. */
  private verify(id: string, jws: string): void {
    try {
      const agreement = verifyAgreement(jws);
      if (agreement.terms.id === id) this.verified.set(id, agreement);
    } catch (error) {
      if (!(error instanceof AgreementError)) throw error;
      this.logger.error({ agreement: id, reason: error.reason }, "an agreement does not verify");
    }
  }

  private same(row: JobRow | undefined, org: string, request: scheduler.CreateJobRequest): JobRow {
    if (!row) throw new ParleyError(Code.UNAVAILABLE, "JOB_NOT_CREATED", "the job was not created", "Submit it again.");
    const { organisationId, assetId, agreementId, records, maxRecords, operation } = row;
    const equal =
      organisationId === org &&
      assetId === request.assetId &&
      agreementId === request.agreementId &&
      records === request.records &&
      maxRecords === request.maxRecords &&
      operation === request.operation;
    if (equal) return row;
    throw new ParleyError(
      Code.ALREADY_EXISTS,
      "JOB_EXISTS",
      `there already is a job ${request.jobId} with another content`,
      "Draw a new job id for a new job.",
    );
  }
}

function checkRequest(request: scheduler.CreateJobRequest): void {
  const { jobId, name, operation, assetId, agreementId, records, maxRecords } = request;
  if (!isId("job", jobId)) throw invalid("JOB_ID_INVALID", "a job id is job_ and 26 characters");
  if (!isId("agr", agreementId)) throw invalid("AGREEMENT_ID_INVALID", "an agreement id is agr_ and 26 characters");
  if (!isId("mdl", assetId)) throw invalid("ASSET_ID_INVALID", "an asset id is mdl_ and 26 characters");
  if (operation !== "predict") throw invalid("OPERATION_UNKNOWN", `there is no such operation`, 'Use "predict".');
  if (name.length > 200) throw invalid("NAME_TOO_LONG", "a job's name has at most 200 characters");
  try {
    const runs = cutRuns(records, maxRecords).length;
    if (runs > MAX_RUNS)
      throw invalid(
        "TOO_MANY_RECORDS",
        `${records} records make ${runs} runs of at most ${maxRecords}; a job has at most ${MAX_RUNS} runs`,
        "Submit several jobs.",
      );
  } catch (error) {
    if (error instanceof PlanError) throw invalid("RECORDS_INVALID", error.message);
    throw error;
  }
}
