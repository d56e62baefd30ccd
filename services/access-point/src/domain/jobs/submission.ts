import { isId, newId } from "@parley/agreement";
import { encodeInput, sizeOf, type Plan } from "@parley/plan";
import { Code, ParleyError, fromServiceError, type member, type scheduler } from "@parley/proto";
import { continueTrace, reasonOf, traceparentOf, withTrace, type Logger, type TraceContext } from "@parley/service-kit";
import { createHash } from "node:crypto";
import { isCurrent, type HeldAgreement } from "../../store/agreements.js";
import { seconds } from "../../store/database.js";
import type { StoredJob } from "../../store/jobs.js";
import type { Vault } from "../../store/vault.js";
import type { Changes } from "../changes.js";
import { pause } from "../pause.js";
import { planOf } from "../plans.js";
import { invalid, notFound, precondition, refusing } from "../refusal.js";
import type { Router } from "../router.js";
import { JobTelemetry } from "./job-telemetry.js";

/** Answers of the scheduler after which the job certainly does not exist there. */
const REFUSALS: readonly Code[] = [
  Code.INVALID_ARGUMENT,
  Code.NOT_FOUND,
  Code.FAILED_PRECONDITION,
  Code.PERMISSION_DENIED,
  Code.RESOURCE_EXHAUSTED,
  Code.UNAUTHENTICATED,
];

/** How long the scheduler is tried while it is away, and how often, milliseconds. */
const AWAY_MS = 10_000;
const PAUSE_MS = 200;

/** A submission as it arrived. */
interface Arrival {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Digest of everything that makes it this submission and no other. */
  readonly content: string;
  readonly user: string;
  readonly trace: TraceContext;
  readonly receivedAt: number;
}

/** Takes jobs in: everything is checked before anything is spent, and stored before the router hears of it. */
export class Submission {
  /** Ids of jobs that are being stored: a second call with one of them must not touch its input. */
  private readonly storing = new Set<string>();
  private readonly telemetry: JobTelemetry;

  constructor(
    private readonly own: { readonly id: string },
    private readonly vault: Vault,
    private readonly router: Router,
    private readonly changes: Changes,
    private readonly logger: Logger,
    private readonly maxBytes: number,
  ) {
    this.telemetry = new JobTelemetry(vault, changes);
  }

  /** @throws ParleyError INVALID_ARGUMENT naming row and column, NOT_FOUND, FAILED_PRECONDITION, RESOURCE_EXHAUSTED; then nothing was spent */
  async submit(
    messages: AsyncIterable<member.SubmitJobRequest>,
    user: string,
    trace: TraceContext,
  ): Promise<StoredJob> {
    const { header, agreement, plan, bytes } = await this.read(messages);
    const receivedAt = seconds();
    const content = createHash("sha256")
      .update(JSON.stringify([header.operation, header.assetId, agreement.digest, header.shape]))
      .update(bytes)
      .digest("hex");
    if (header.jobId !== "") {
      const known = this.vault.jobs.get(header.jobId);
      if (known) return this.again(known, content, user);
    }
    const id = header.jobId || newId("job");
    if (this.storing.has(id))
      throw new ParleyError(
        Code.ABORTED,
        "JOB_BEING_SUBMITTED",
        `job ${id} is being submitted by another call`,
        "Send it again in a moment.",
      );
    this.storing.add(id);
    const [records] = header.shape;
    const own = this.telemetry.begin({ id, records, assetId: header.assetId, receivedAt }, trace);
    try {
      const arrival = { bytes, content, user, trace: own, receivedAt };
      const job = await withTrace(own, () => this.store(id, header, agreement, plan, arrival));
      const step = { name: "submit", actor: "access-point", organisation: this.own.id, attempt: "" } as const;
      this.vault.steps.noteSince(id, receivedAt, step);
      return await this.create(job);
    } catch (error) {
      if (!this.vault.jobs.get(id)) this.telemetry.refused(id, reasonOf(error));
      throw error;
    } finally {
      this.storing.delete(id);
    }
  }

  /** Input and job on disk. Only the call that adds the row has written the input: see `storing`. */
  private async store(
    id: string,
    header: member.SubmitJobHeader,
    agreement: HeldAgreement,
    plan: Plan,
    { bytes, content, user, trace, receivedAt }: Arrival,
  ): Promise<StoredJob> {
    const records = header.shape[0];
    const values = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
    const input = await refusing(() => encodeInput(plan, values, records));
    const pieces = [new Uint8Array(input.buffer, input.byteOffset, input.byteLength)];
    const keep = await this.vault.content.store("inputs", id, pieces);
    return this.vault.group.run(() => {
      keep();
      this.vault.jobs.add({
        id,
        user,
        name: header.name,
        operation: header.operation,
        assetId: header.assetId,
        agreement: agreement.digest,
        agreementId: agreement.id,
        records,
        content,
        traceparent: traceparentOf(trace),
        receivedAt,
      });
      this.vault.audit.append({
        action: "job.submitted",
        actor: `${this.own.id}/${user}`,
        subject: id,
        traceId: trace.traceId,
        details: { asset: header.assetId, agreement: agreement.id, records },
      });
      return this.vault.jobs.get(id)!;
    });
  }

  /**
   * Hands over jobs that the scheduler may not know: of before a restart, or of when it could not be reached. Idempotent by job id.
   * @throws ParleyError UNAVAILABLE where it still cannot
   */
  async resume(signal: AbortSignal): Promise<void> {
    for (const job of this.vault.jobs.unended()) {
      if (signal.aborted) return;
      if (job.state !== "submitting" || this.storing.has(job.id)) continue;
      try {
        await this.create(job);
      } catch (caught) {
        const error = fromServiceError(caught);
        if (!REFUSALS.includes(error.code)) throw error;
        this.logger.warn({ job: job.id, reason: error.reason }, "job not accepted by the scheduler");
      }
    }
  }

  /** The same id again: the same job, if it is the same submission. */
  private async again(job: StoredJob, content: string, user: string): Promise<StoredJob> {
    if (job.content !== content || job.user !== user)
      throw new ParleyError(
        Code.ALREADY_EXISTS,
        "JOB_ID_TAKEN",
        `job ${job.id} was submitted before, with other content or by another user`,
        "Leave the job id empty, or draw a new one.",
      );
    return job.state === "submitting" ? this.create(job) : job;
  }

  private async create(job: StoredJob): Promise<StoredJob> {
    const { id, name, operation, assetId, agreementId, records } = job;
    const plan = planOf(this.vault.agreements.byDigest(job.agreement)!);
    const request = { jobId: id, name, operation, assetId, agreementId, records, maxRecords: plan.maxRecords };
    const asked = seconds();
    try {
      await withTrace(continueTrace(job.traceparent), () => this.tell(request));
    } catch (caught) {
      const error = fromServiceError(caught);
      if (!REFUSALS.includes(error.code)) {
        this.changes.emit("unsubmitted");
        throw new ParleyError(
          error.code,
          error.reason,
          `job ${id} is stored here, but the scheduler did not answer: ${error.message}`,
          `It is handed over as soon as the scheduler can be reached: watch it with \`parley job watch ${id}\`, or cancel it.`,
          { job: id },
        );
      }
      this.vault.database.transaction(() => {
        this.vault.jobs.forget(id);
        this.vault.audit.append({
          action: "job.refused",
          actor: "router/scheduler",
          subject: id,
          traceId: continueTrace(job.traceparent).traceId,
          details: { reason: error.reason },
        });
      });
      await this.vault.content.remove("inputs", id);
      throw error;
    }
    this.vault.steps.noteSince(id, asked, { actor: "scheduler", organisation: "", attempt: "", name: "accept" });
    // Put off: often its attempt has begun by then, and after a crash the scheduler is asked again, to no effect.
    this.vault.group.later(() => this.vault.jobs.accepted(id));
    this.changes.emit("job", id);
    return this.vault.jobs.get(id)!;
  }

  /** The same job by its id, however often it is told: a replica of the scheduler may be going, and another one answers. */
  private async tell(request: scheduler.CreateJobRequest) {
    for (const until = performance.now() + AWAY_MS; ; await pause(PAUSE_MS))
      try {
        return await this.router.scheduler.createJob(request);
      } catch (caught) {
        const { code, reason } = fromServiceError(caught);
        const isAway = code === Code.UNAVAILABLE && reason !== "QUEUE_UNAVAILABLE";
        if (!isAway || performance.now() > until) throw caught;
      }
  }

  private async read(messages: AsyncIterable<member.SubmitJobRequest>) {
    let start: { header: member.SubmitJobHeader; agreement: HeldAgreement; plan: Plan } | undefined;
    let bytes = new Uint8Array(0);
    let filled = 0;
    for await (const { body } of messages) {
      if (body?.$case === "header") {
        if (start) throw invalid("HEADER_TWICE", "a submission has one header");
        start = await this.begin(body.value);
        bytes = new Uint8Array(8 * body.value.shape[0] * sizeOf(start.plan.tensors[0]));
      } else if (body?.$case === "chunk") {
        if (!start) throw invalid("HEADER_MISSING", "the header comes first");
        if (filled + body.value.length > bytes.length)
          throw this.wrongLength(start.header, filled + body.value.length, bytes.length);
        bytes.set(body.value, filled);
        filled += body.value.length;
      }
    }
    if (!start) throw invalid("HEADER_MISSING", "the header comes first");
    if (filled !== bytes.length) throw this.wrongLength(start.header, filled, bytes.length);
    return { ...start, bytes };
  }

  private wrongLength({ shape }: member.SubmitJobHeader, got: number, expected: number) {
    return invalid(
      "WRONG_SHAPE",
      `data of shape ${shape.join("x")} has ${expected / 8} values; ${got > expected ? "more" : Math.floor(got / 8)} were sent`,
      "Send every value of every record, 8 bytes each.",
    );
  }

  /** Everything that can be said before the data is here. */
  private async begin(header: member.SubmitJobHeader) {
    if (header.operation !== "predict")
      throw invalid("OPERATION", `operation ${header.operation || "(none)"} is not known`, 'Use "predict".');
    if (header.security !== "smpc")
      throw invalid("SECURITY", `security ${header.security || "(none)"} is not known`, 'Use "smpc".');
    if (header.name.length > 200) throw invalid("NAME", "a job's name has at most 200 characters");
    if (header.jobId !== "" && !isId("job", header.jobId))
      throw invalid("JOB_ID", 'a job id is "job_" and 26 characters', "Leave it empty to have one drawn.");
    const agreement = await this.chooseAgreement(header);
    const plan = planOf(agreement);
    const [records, ...shape] = header.shape;
    const wanted = plan.tensors[0].shape;
    const size = sizeOf(plan.tensors[0]);
    if (!records || (shape.join() !== wanted.join() && shape.join() !== String(size)))
      throw invalid(
        "WRONG_SHAPE",
        `the data has shape ${header.shape.join("x") || "(none)"}; asset ${header.assetId} takes records of ${wanted.join("x")}`,
        `Give at least one record of ${size} values.`,
      );
    if (records * size * 8 > this.maxBytes)
      throw new ParleyError(
        Code.RESOURCE_EXHAUSTED,
        "DATA_TOO_LARGE",
        `${records} records of ${size} values are more than ${this.maxBytes} bytes`,
        "Submit the records as several jobs, or raise PARLEY_MAX_INPUT_BYTES.",
      );
    if (records > agreement.records)
      throw new ParleyError(
        Code.RESOURCE_EXHAUSTED,
        "QUOTA_USED_UP",
        `agreement ${agreement.id} is for ${agreement.records} records in all; the job has ${records}`,
        "Ask the model owner for a new agreement with more records.",
      );
    return { header, agreement, plan };
  }

  private async chooseAgreement({ assetId, agreementId }: member.SubmitJobHeader): Promise<HeldAgreement> {
    if (agreementId !== "") {
      const held = this.vault.agreements.byId(agreementId);
      if (!held || held.party !== 1 || !isCurrent(held))
        throw precondition(
          "AGREEMENT_NOT_ACTIVE",
          held ? `agreement ${agreementId} is not in force here` : `${this.own.id} holds no agreement ${agreementId}`,
          "List agreements with `parley agreement list`; accept an offer with `parley agreement accept ID`.",
        );
      if (held.assetId !== assetId)
        throw precondition(
          "ASSET_DIFFERS",
          `agreement ${agreementId} is for asset ${held.assetId}, not ${assetId}`,
          "Name the agreement's asset.",
        );
      return held;
    }
    const fitting = this.vault.agreements.current().filter((held) => held.party === 1 && held.assetId === assetId);
    if (fitting.length === 1) return fitting[0];
    if (fitting.length > 1)
      throw precondition(
        "AGREEMENT_AMBIGUOUS",
        `${fitting.length} agreements are in force on asset ${assetId}: ${fitting.map(({ id }) => id).join(", ")}`,
        "Name one with --agreement.",
      );
    const { asset } = await this.router.registry.getAsset({ assetId }).catch((caught: unknown) => {
      const error = fromServiceError(caught);
      throw error.code === Code.NOT_FOUND || error.code === Code.INVALID_ARGUMENT
        ? notFound("ASSET_UNKNOWN", `there is no asset ${assetId}`, "List assets with `parley asset list`.")
        : error;
    });
    throw precondition(
      "NO_AGREEMENT",
      `no agreement on asset ${assetId} is in force for ${this.own.id}`,
      `Ask ${asset?.organisationId ?? "its owner"} for an offer, then run \`parley agreement accept ID\`.`,
    );
  }
}
