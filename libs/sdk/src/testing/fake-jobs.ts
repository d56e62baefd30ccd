import { Code, member, ParleyError, scheduler } from "@parley/proto";
import { setTimeout } from "node:timers/promises";

const { JobState } = scheduler;
const ENDED: readonly scheduler.JobState[] = [
  JobState.JOB_STATE_SUCCEEDED,
  JobState.JOB_STATE_FAILED,
  JobState.JOB_STATE_CANCELLED,
];
const STEP_MS = 5;

/** Jobs of a fake access point. They stay queued until a test, or `onSubmit`, ends them. */
export class FakeJobs {
  readonly all = new Map<string, member.MemberJob>();
  readonly headers: member.SubmitJobHeader[] = [];
  /** Records as received, by job. */
  readonly values = new Map<string, Float64Array>();
  private readonly results = new Map<string, Buffer>();
  /** What is told of every job's trace. */
  trace = member.GetJobTraceResponse.create();
  /** Called once for each new job. */
  onSubmit: (id: string) => void = () => {};

  /** The job's newest state. */
  change(id: string, state: scheduler.JobState, done = 0, error?: scheduler.Failure): void {
    const known = this.find(id);
    const timings = ENDED.includes(state) ? { onlineMicros: 1500n, submitToResultMicros: 25_000n, runs: 1 } : undefined;
    this.all.set(
      id,
      member.MemberJob.fromPartial({ ...known, job: { ...known.job, state, error }, recordsDone: done, timings }),
    );
  }

  /** Ends the job well, with these integers, record by record. */
  succeed(id: string, logits: readonly bigint[]): void {
    this.results.set(id, Buffer.from(BigInt64Array.from(logits).buffer));
    this.change(id, JobState.JOB_STATE_SUCCEEDED, this.find(id).job?.records);
  }

  readonly submit = (messages: readonly member.SubmitJobRequest[]) => {
    const [first, ...rest] = messages.map((message) => message.body);
    if (first?.$case !== "header") throw new ParleyError(Code.INVALID_ARGUMENT, "HEADER", "the header is missing");
    const { jobId, name, assetId, agreementId, shape, operation } = first.value;
    this.headers.push(first.value);
    if (!this.all.has(jobId)) {
      const bytes = Buffer.concat(rest.map((body) => (body?.$case === "chunk" ? body.value : Buffer.alloc(0))));
      this.values.set(
        jobId,
        Float64Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readDoubleLE(8 * i)),
      );
      const job = {
        id: jobId,
        name,
        assetId,
        agreementId,
        operation,
        records: shape[0],
        state: JobState.JOB_STATE_QUEUED,
      };
      this.all.set(jobId, member.MemberJob.fromPartial({ job }));
      this.onSubmit(jobId);
    }
    return { job: this.find(jobId) };
  };

  readonly watch = async function* (
    this: FakeJobs,
    { jobId, withResult }: member.WatchJobRequest,
    signal: AbortSignal,
  ): AsyncGenerator<member.WatchJobResponse> {
    for (let last: member.MemberJob | undefined; !signal.aborted;) {
      const job = this.find(jobId);
      if (job !== last) yield { job, result: undefined };
      last = job;
      if (job.job?.state === JobState.JOB_STATE_SUCCEEDED && withResult)
        for await (const result of this.result({ jobId })) yield { job: undefined, result };
      if (ENDED.includes(job.job?.state ?? 0)) return;
      await setTimeout(STEP_MS);
    }
  }.bind(this);

  readonly run = (messages: readonly member.RunJobRequest[], signal: AbortSignal) =>
    this.watch({ jobId: this.submit(messages).job.job?.id ?? "", withResult: true }, signal);

  /** In two pieces, cut in the middle of an integer. */
  readonly result = async function* (this: FakeJobs, { jobId }: member.GetResultRequest) {
    const bytes = this.results.get(jobId);
    if (!bytes) throw new ParleyError(Code.FAILED_PRECONDITION, "NO_RESULT", `job ${jobId} has no result`, "Wait.");
    const records = this.find(jobId).job?.records ?? 0;
    yield await Promise.resolve({ records, width: bytes.length / 8 / records, chunk: bytes.subarray(0, 5) });
    yield { records: 0, width: 0, chunk: bytes.subarray(5) };
  }.bind(this);

  readonly unary = {
    getJob: ({ jobId }: member.GetJobRequest) => ({ job: this.find(jobId) }),
    getJobTrace: ({ jobId }: member.GetJobTraceRequest) => ({ ...this.trace, jobId: this.find(jobId).job?.id ?? "" }),
    listJobs: () => ({ jobs: [...this.all.values()].reverse(), nextToken: "" }),
    cancelJob: ({ jobId }: member.CancelJobRequest) => {
      this.change(jobId, JobState.JOB_STATE_CANCELLED);
      return { job: this.find(jobId) };
    },
  };

  private find(id: string): member.MemberJob {
    const found = this.all.get(id);
    if (found) return found;
    throw new ParleyError(Code.NOT_FOUND, "JOB_NOT_FOUND", `there is no job ${id}`, "List them.");
  }
}
