import { Code, fromServiceError, scheduler, type member } from "@parley/proto";
import { continueTrace, type Logger } from "@parley/service-kit";
import { dateOf } from "../../store/database.js";
import { hasEnded, type JobStatus, type StoredJob } from "../../store/jobs.js";
import type { Vault } from "../../store/vault.js";
import type { Changes } from "../changes.js";
import { notFound, precondition } from "../refusal.js";
import type { Router } from "../router.js";
import type { AttemptRunner } from "./attempt-runner.js";
import type { ResultReader, ResultReaders } from "./result-readers.js";

const { JobState } = scheduler;
const STATES: Record<JobStatus, scheduler.JobState> = {
  submitting: JobState.JOB_STATE_QUEUED,
  queued: JobState.JOB_STATE_QUEUED,
  running: JobState.JOB_STATE_RUNNING,
  succeeded: JobState.JOB_STATE_SUCCEEDED,
  failed: JobState.JOB_STATE_FAILED,
  cancelled: JobState.JOB_STATE_CANCELLED,
};

export const statusOf = (state: scheduler.JobState): JobStatus | undefined =>
  (Object.keys(STATES) as JobStatus[]).find((key) => key !== "submitting" && STATES[key] === state);

/** Jobs asked for in one round, the oldest first. */
const MOST_ASKED = 200;

/** Whose jobs a caller sees: all, or one user's. */
export type Scope = string | undefined;

/** Jobs as their own organisation sees them: the own store is the truth, the router is asked only whether it gave one up. */
export class JobBoard {
  constructor(
    private readonly own: { readonly id: string },
    private readonly vault: Vault,
    private readonly router: Router,
    private readonly runner: AttemptRunner,
    private readonly readers: ResultReaders,
    private readonly changes: Changes,
    private readonly logger: Logger,
  ) {}

  /** @throws ParleyError NOT_FOUND, also for another user's job */
  find(id: string, scope: Scope): StoredJob {
    const job = this.vault.jobs.get(id);
    if (job && (scope === undefined || job.user === scope)) return job;
    throw notFound("JOB_UNKNOWN", `there is no job ${id}`, "List jobs with `parley job list`.");
  }

  view(job: StoredJob): member.MemberJob {
    const attempts = this.vault.attempts.ofJob(job.id);
    const last = attempts.at(-1);
    const done = last?.state === "running" ? this.vault.attempts.recordsDone(last.id) : 0;
    const { timings } = job;
    return {
      job: {
        id: job.id,
        organisationId: this.own.id,
        name: job.name,
        operation: job.operation,
        assetId: job.assetId,
        agreementId: job.agreementId,
        records: job.records,
        state: STATES[job.state],
        attempts: attempts.length,
        recordsRevealed: attempts.reduce((total, { revealed }) => total + revealed, 0),
        error: job.error,
        createdAt: dateOf(job.receivedAt),
        endedAt: job.endedAt === undefined ? undefined : dateOf(job.endedAt),
      },
      timings: timings && {
        submitToResultMicros: BigInt(timings.submitToResultMicros),
        onlineMicros: BigInt(timings.onlineMicros),
        offlineMicros: BigInt(timings.offlineMicros),
        bindMicros: BigInt(timings.bindMicros),
        messages: timings.messages,
        bytesP1ToP0: BigInt(timings.bytesP1ToP0),
        bytesP0ToP1: BigInt(timings.bytesP0ToP1),
        runs: timings.runs,
      },
      recordsDone: job.state === "succeeded" ? job.records : done,
      traceId: continueTrace(job.traceparent).traceId,
    };
  }

  /**
   * The job now and at each change, until it has ended; a state that lasts less than `calmMs` is passed over. With a reader
   * the result comes with the last state.
   */
  async *watch(
    id: string,
    scope: Scope,
    signal: AbortSignal,
    { calmMs = 0, reader }: { calmMs?: number; reader?: ResultReader } = {},
  ): AsyncIterable<member.WatchJobResponse> {
    let changed = false;
    let wake = () => {};
    const onChange = (other: string) => {
      if (other !== id) return;
      changed = true;
      wake();
    };
    const onAbort = () => wake();
    const change = async (ms?: number) => {
      if (changed || signal.aborted) return;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (ms !== undefined) timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
    };
    this.changes.on("job", onChange);
    signal.addEventListener("abort", onAbort);
    if (reader) this.readers.add(reader);
    try {
      for (;;) {
        changed = false;
        const job = this.find(id, scope);
        if (hasEnded(job.state)) {
          if (reader && job.state === "succeeded") yield* this.withResult(job, reader);
          else yield { job: this.view(job), result: undefined };
          return;
        }
        if (calmMs > 0) await change(calmMs);
        if (!changed && !signal.aborted) yield { job: this.view(job), result: undefined };
        await change();
        if (signal.aborted) return;
      }
    } finally {
      this.changes.off("job", onChange);
      signal.removeEventListener("abort", onAbort);
      if (reader) this.readers.remove(reader);
    }
  }

  private async *withResult(job: StoredJob, reader: ResultReader): AsyncIterable<member.WatchJobResponse> {
    await this.readers.note(reader);
    let view: member.MemberJob | undefined = this.view(job);
    for await (const result of this.pieces(job)) {
      yield { job: view, result };
      view = undefined;
    }
  }

  /** Cancels here at once; the scheduler is told. A job that has ended stays as it is. */
  async cancel(id: string, scope: Scope, by: string): Promise<StoredJob> {
    const job = this.find(id, scope);
    if (!hasEnded(job.state)) {
      if (job.state !== "submitting") await this.router.scheduler.cancelJob({ jobId: id });
      await this.end(id, "cancelled", `${this.own.id}/${by}`);
      this.runner.cancelJob(id);
    }
    return this.vault.jobs.get(id)!;
  }

  /** The revealed integers of a job. @throws ParleyError FAILED_PRECONDITION where there are none */
  async *result(id: string, scope: Scope): AsyncIterable<member.GetResultResponse> {
    const job = this.find(id, scope);
    if (job.state !== "succeeded")
      throw precondition(
        "NO_RESULT",
        `job ${id} has no result: it is ${job.state}${job.error ? ` (${job.error.message})` : ""}`,
        job.error?.hint || `Wait for it with \`parley job watch ${id}\`.`,
      );
    yield* this.pieces(job);
  }

  private async *pieces({ id, records }: StoredJob): AsyncIterable<member.GetResultResponse> {
    const size = (await this.vault.content.size("results", id)) / 8 / records;
    let head = { records, width: size };
    for await (const chunk of this.vault.content.stream("results", id)) {
      yield { ...head, chunk };
      head = { records: 0, width: 0 };
    }
  }

  /** Asks the scheduler about jobs that have not ended: it may have given one up, or an operator may have cancelled it. */
  async follow(): Promise<void> {
    for (const job of this.vault.jobs.unended().slice(0, MOST_ASKED)) {
      if (job.state === "submitting") continue;
      const answer = await this.router.scheduler.getJob({ jobId: job.id }).catch((caught: unknown) => {
        const error = fromServiceError(caught);
        if (error.code === Code.NOT_FOUND) return undefined;
        throw error;
      });
      const state = answer?.job && statusOf(answer.job.state);
      if (state === "failed" || state === "cancelled")
        await this.end(job.id, state, "router/scheduler", answer?.job?.error);
    }
  }

  /** True where a job was tried and failed: then the scheduler's decision is awaited. */
  get awaitsDecision(): boolean {
    return this.vault.jobs
      .unended()
      .some(({ id, state }) => state === "queued" && this.vault.attempts.ofJob(id).length > 0);
  }

  private async end(id: string, state: "failed" | "cancelled", actor: string, error?: scheduler.Failure) {
    const last = this.vault.attempts.ofJob(id).at(-1)?.error;
    const ended = this.vault.database.transaction(() => {
      const first = this.vault.jobs.end(id, state, { error: state === "failed" ? (error ?? last) : undefined });
      if (first)
        this.vault.audit.append({
          action: `job.${state}`,
          actor,
          subject: id,
          details: { reason: error?.reason ?? "" },
        });
      return first;
    });
    if (!ended) return;
    this.logger.info({ job: id, state }, "job ended");
    this.changes.emit("job", id);
    await this.vault.content.remove("inputs", id);
  }
}
