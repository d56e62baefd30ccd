import { newId } from "@parley/agreement";
import { encodeInput, type Plan } from "@parley/plan";
import { Code, ParleyError, scheduler, type member } from "@parley/proto";
import { Asset } from "./asset.js";
import { fitToPlan, fromArrays, fromPlanError, type Dataset } from "./dataset/dataset.js";
import { readDataset } from "./dataset/file.js";
import type { MemberClient } from "./parley.js";
import { PAUSE_MS, isAway, retrying } from "./retry.js";
import { JobResult } from "./result/result.js";
import { setTimeout } from "node:timers/promises";

type Nested = readonly number[] | readonly Nested[];

export interface JobOptions {
  /** For people. */
  readonly name?: string;
  readonly operation: "predict";
  readonly asset: Asset;
  /** Agreement id; without it the only active one on this model. */
  readonly agreement?: string;
  /** A path (CSV, NPY, PNG, IDX), arrays, or a data set read before. */
  readonly dataset: string | Nested | Dataset;
  readonly params?: { readonly security: "smpc" };
}

/** How to wait for a job. */
export interface WaitSettings {
  /** Called with each state that lasts for a moment, and with the last. */
  readonly onProgress?: (job: Job) => void;
  /** Ends the waiting; the job goes on. */
  readonly signal?: AbortSignal;
  /** How long `submit` tries again while the access point, or the scheduler behind it, is away and has not accepted the job; 3000 milliseconds by default. */
  readonly patienceMs?: number;
}

export type JobState = "created" | "queued" | "running" | "succeeded" | "failed" | "cancelled";

const STATES: Record<number, JobState> = {
  [scheduler.JobState.JOB_STATE_QUEUED]: "queued",
  [scheduler.JobState.JOB_STATE_RUNNING]: "running",
  [scheduler.JobState.JOB_STATE_SUCCEEDED]: "succeeded",
  [scheduler.JobState.JOB_STATE_FAILED]: "failed",
  [scheduler.JobState.JOB_STATE_CANCELLED]: "cancelled",
};
const ENDED: readonly JobState[] = ["succeeded", "failed", "cancelled"];
const PIECE = 1 << 20;
const SUBMIT_PATIENCE_MS = 3_000;
const WATCH_PATIENCE_MS = 60_000;

/** One private prediction over some records. */
export class Job {
  #answer: member.MemberJob | undefined;
  #result: JobResult | undefined;

  private constructor(
    private readonly client: MemberClient,
    private readonly options: JobOptions | undefined,
  ) {}

  static create(client: MemberClient, options: JobOptions): Job {
    return new Job(client, options);
  }

  static known(client: MemberClient, answer: member.MemberJob): Job {
    const job = new Job(client, undefined);
    job.#answer = answer;
    return job;
  }

  static async open(client: MemberClient, id: string): Promise<Job> {
    const { job } = await client.getJob({ jobId: id });
    if (!job?.job)
      throw new ParleyError(Code.NOT_FOUND, "JOB_NOT_FOUND", `there is no job ${id}`, "List them with parley.jobs().");
    return Job.known(client, job);
  }

  /** Job id; empty before it is submitted. */
  get id(): string {
    return this.#answer?.job?.id ?? "";
  }
  get state(): JobState {
    return STATES[this.#answer?.job?.state ?? 0] ?? "created";
  }
  get success(): boolean {
    return this.state === "succeeded";
  }
  get ended(): boolean {
    return ENDED.includes(this.state);
  }
  get records(): number {
    return this.#answer?.job?.records ?? 0;
  }
  get recordsDone(): number {
    return this.#answer?.recordsDone ?? 0;
  }
  /** Everything that the access point says of the job. */
  get details(): member.MemberJob | undefined {
    return this.#answer;
  }
  get timings(): member.JobTimings | undefined {
    return this.#answer?.timings;
  }
  /** Why it failed. */
  get error(): ParleyError | undefined {
    const error = this.#answer?.job?.error;
    return error && error.code ? new ParleyError(error.code, error.reason, error.message, error.hint) : undefined;
  }

  /** True once the result is here. */
  get fetched(): boolean {
    return this.#result !== undefined;
  }

  /** The result. @throws ParleyError where the job has not succeeded, or `wait` was not called on a job opened by id */
  get result(): JobResult {
    if (this.#result) return this.#result;
    throw (
      this.error ??
      new ParleyError(
        Code.FAILED_PRECONDITION,
        "NO_RESULT",
        `job ${this.id || "(not submitted)"} is ${this.state}`,
        "Await job.submit() or job.wait() first.",
      )
    );
  }

  /** Sends the records and waits for the end. A failed job is not thrown: see `success` and `error`. @throws ParleyError where the submission itself is refused */
  async submit(settings: WaitSettings = {}): Promise<this> {
    const { header, bytes } = await this.prepare();
    const until = Date.now() + (settings.patienceMs ?? SUBMIT_PATIENCE_MS);
    // One call for the whole way. Where it breaks: before the first answer the same submission is made again, after it the job is watched.
    while (!this.#answer) {
      try {
        await this.follow((signal) => this.client.runJob(messages(header, bytes), { signal }), settings);
      } catch (error) {
        const isPassing = isAway(error) || isStored(error, header.jobId);
        if (settings.signal?.aborted || !isPassing || (!this.#answer && Date.now() > until)) throw error;
      }
      if (!this.#answer) await setTimeout(PAUSE_MS, undefined, { signal: settings.signal }).catch(() => undefined);
    }
    return this.wait(settings);
  }

  /** Sends the records and returns as soon as the job is accepted. */
  async send(): Promise<this> {
    const { header, bytes } = await this.prepare();
    this.#answer = (await retrying(() => this.client.submitJob(messages(header, bytes)), SUBMIT_PATIENCE_MS)).job;
    return this;
  }

  private async prepare() {
    const options = this.options;
    if (!options || this.#answer)
      throw new ParleyError(
        Code.FAILED_PRECONDITION,
        "ALREADY_SUBMITTED",
        `job ${this.id} was submitted before`,
        "Create a new job.",
      );
    const plan = options.asset.requirePlan();
    const dataset = await toDataset(options.dataset);
    const { values, records } = fitToPlan(dataset, plan);
    check(plan, values, records, dataset.source);
    const header = {
      name: options.name ?? "",
      operation: options.operation,
      assetId: options.asset.id,
      agreementId: options.agreement ?? "",
      security: options.params?.security ?? "smpc",
      shape: [records, ...plan.tensors[0].shape],
      jobId: newId("job"), // drawn here, so that a repeated submission is the same job
    };
    return { header, bytes: Buffer.from(values.buffer, values.byteOffset, values.byteLength) };
  }

  /** Waits until the job has ended and fetches the result. */
  async wait(settings: WaitSettings = {}): Promise<this> {
    if (!this.ended) await this.watch(settings);
    if (this.success) this.#result ??= await this.fetch();
    return this;
  }

  async cancel(): Promise<this> {
    this.#answer = (await this.client.cancelJob({ jobId: this.id })).job;
    return this;
  }

  /** Reconnects while the access point is away; gives up after a minute without an answer. */
  private async watch(settings: WaitSettings) {
    let lastAnswer = Date.now();
    const request = { jobId: this.id, withResult: true };
    while (!this.ended) {
      try {
        await this.follow(
          (signal) => this.client.watchJob(request, { signal }),
          settings,
          () => (lastAnswer = Date.now()),
        );
      } catch (error) {
        if (settings.signal?.aborted || !isAway(error) || Date.now() - lastAnswer > WATCH_PATIENCE_MS) throw error;
      }
      if (!this.ended) await setTimeout(PAUSE_MS, undefined, { signal: settings.signal }).catch(() => undefined);
    }
  }

  /** Takes the states of a job and, after the last, its result. */
  private async follow(
    open: (signal: AbortSignal | undefined) => AsyncIterable<member.WatchJobResponse>,
    settings: WaitSettings,
    onAnswer: () => void = () => {},
  ) {
    // a signal of this call alone, so that calls leave no listeners on the caller's
    const signal = settings.signal && AbortSignal.any([settings.signal]);
    const messages = open(signal)[Symbol.asyncIterator]();
    const pieces: Buffer[] = [];
    let missing = Infinity;
    for (let next = await messages.next(); !next.done; next = await messages.next()) {
      const { job, result } = next.value;
      onAnswer();
      if (result?.records) missing = 8 * result.records * result.width;
      if (result) pieces.push(result.chunk);
      missing -= result?.chunk.length ?? 0;
      if (job) {
        this.#answer = job;
        settings.onProgress?.(this);
      }
      if (missing > 0) continue;
      void messages.next().catch(() => undefined); // the end of the stream tells nothing more: it is not waited for
      break;
    }
    if (pieces.length > 0) this.#result = await this.decode(pieces);
  }

  private async fetch(): Promise<JobResult> {
    const pieces = await retrying(async () => {
      const received: Buffer[] = [];
      for await (const { chunk } of this.client.getResult({ jobId: this.id })) received.push(chunk);
      return received;
    }, WATCH_PATIENCE_MS);
    return this.decode(pieces);
  }

  private async decode(pieces: readonly Buffer[]): Promise<JobResult> {
    const asset =
      this.options?.asset ??
      Asset.from((await this.client.getAsset({ assetId: this.#answer?.job?.assetId ?? "" })).asset);
    return JobResult.decode(asset.requirePlan(), Buffer.concat(pieces), this.records);
  }
}

/** The access point has the job, but could not hand it over yet. */
const isStored = (error: unknown, jobId: string) =>
  error instanceof ParleyError && error.code === Code.UNAVAILABLE && error.details.job === jobId;

async function* messages(header: member.SubmitJobHeader, bytes: Buffer) {
  yield { body: { $case: "header" as const, value: header } };
  for (let at = 0; at < bytes.length; at += PIECE)
    yield { body: { $case: "chunk" as const, value: bytes.subarray(at, at + PIECE) } };
}

const toDataset = async (data: JobOptions["dataset"]): Promise<Dataset> =>
  typeof data === "string" ? readDataset(data) : Array.isArray(data) ? fromArrays(data as Nested) : (data as Dataset);

/** The same check as the access point's, before anything is sent. */
function check(plan: Plan, values: Float64Array, records: number, source: string) {
  try {
    encodeInput(plan, values, records);
  } catch (error) {
    throw fromPlanError(error, source);
  }
}
