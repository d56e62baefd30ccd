import { AgreementError, isId, verifyAgreement, type VerifiedAgreement } from "@parley/agreement";
import { PlanError, cutRuns } from "@parley/plan";
import { Code, ParleyError, agreements, type ServiceClient, type scheduler } from "@parley/proto";
import { currentTrace, traceparentOf, type Logger } from "@parley/service-kit";
import type { JobRow, JobStore } from "../store/job-store.js";
import type { JobQueue } from "./job-queue.js";

export type AgreementsClient = ServiceClient<typeof agreements.AgreementsServiceService>;

const MAX_RUNS = 1024;
/** Answers of agreements after which nothing is reserved; after any other one, something may be. */
const REFUSALS: readonly Code[] = [
  Code.INVALID_ARGUMENT,
  Code.NOT_FOUND,
  Code.ALREADY_EXISTS,
  Code.PERMISSION_DENIED,
  Code.RESOURCE_EXHAUSTED,
  Code.FAILED_PRECONDITION,
];

const invalid = (reason: string, message: string, hint = "") =>
  new ParleyError(Code.INVALID_ARGUMENT, reason, message, hint);

/** How a job comes into being: quota first, then the job in the database, then its id in the queue. */
export class JobIntake {
  constructor(
    private readonly jobs: JobStore,
    private readonly queue: JobQueue,
    private readonly agreements: AgreementsClient,
    private readonly logger: Logger,
  ) {}

  /**
   * Idempotent by job id. With Redis away nothing is begun (UNAVAILABLE); where it goes away in between, the job is there and
   * is queued when Redis is back.
   * @throws ParleyError
   */
  async create(org: string, request: scheduler.CreateJobRequest): Promise<JobRow> {
    checkRequest(request);
    const { jobId: id, name, operation, assetId, agreementId, records, maxRecords } = request;
    const known = await this.jobs.get(id);
    if (known && this.same(known, org, request).state !== "reserving") return known;
    if (!this.queue.ready)
      throw new ParleyError(
        Code.UNAVAILABLE,
        "QUEUE_UNAVAILABLE",
        "the scheduler's job queue (Redis) is not reachable, so no jobs are taken",
        "Nothing was reserved; submit again in a moment, or ask the router's operator.",
      );
    const trace = currentTrace();
    const wish = { id, organisationId: org, name, operation, assetId, agreementId, records, maxRecords };
    const isOurs = await this.jobs.begin({ ...wish, traceparent: trace ? traceparentOf(trace) : "" });
    const { terms, digest } = await this.reserve(org, request, isOurs);
    const row = await this.jobs.commit(id, {
      modelOwner: terms.modelOwner.org,
      agreementDigest: digest.toString("hex"),
      planDigest: terms.asset.planDigest,
    });
    if (!row) return this.same(await this.jobs.get(id), org, request);
    if (await this.queue.add(org, [id])) await this.jobs.markQueued([id]);
    else this.logger.warn({ job: id }, "the job is stored, and will be queued when redis answers");
    return row;
  }

  private async reserve(
    organisationId: string,
    request: scheduler.CreateJobRequest,
    isOurs: boolean,
  ): Promise<VerifiedAgreement> {
    const { jobId, agreementId, assetId, records, operation } = request;
    try {
      const wish = { jobId, agreementId, assetId, organisationId, records, operation };
      const { agreement } = await this.agreements.reserve(wish);
      return verifyAgreement(agreement?.jws ?? "");
    } catch (error) {
      // Where something may be reserved, the sweeper takes it back with the job.
      if (isOurs && error instanceof ParleyError && REFUSALS.includes(error.code)) await this.jobs.discard(jobId);
      if (!(error instanceof AgreementError)) throw error;
      throw new ParleyError(Code.FAILED_PRECONDITION, error.reason, error.message, error.hint, {}, { cause: error });
    }
  }

  private same(row: JobRow | undefined, org: string, request: scheduler.CreateJobRequest): JobRow {
    if (!row)
      throw new ParleyError(
        Code.UNAVAILABLE,
        "JOB_SWEPT",
        "the job took too long to create",
        "Submit it again with a new id.",
      );
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
