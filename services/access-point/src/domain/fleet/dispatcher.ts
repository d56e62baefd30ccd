import { Code, type fleet } from "@parley/proto";
import type { Failure, Timings } from "../../store/jobs.js";
import type { Changes } from "../changes.js";
import type { RunStep } from "../trace/run-steps.js";
import { pause } from "../pause.js";
import type { AttachedWorker } from "./attached-worker.js";
import type { Fleet } from "./fleet.js";

export interface RunTask {
  readonly job: string;
  readonly attempt: string;
  readonly run: number;
  readonly records: number;
  /** Digest of the agreement, hex. */
  readonly agreement: string;
  /** Made when a worker takes the run, so that inputs of waiting runs are not held. */
  readonly order: () => Promise<fleet.RunOrder>;
}

export type RunOutcome =
  | { readonly ok: true; readonly output: Buffer; readonly timings: Timings; readonly steps?: readonly RunStep[] }
  | { readonly ok: false; readonly failure: Failure; readonly retryable: boolean; readonly revealed: boolean };

interface Waiting {
  readonly task: RunTask;
  readonly settle: (outcome: RunOutcome) => void;
  readonly since: number;
  worker?: AttachedWorker;
  patience?: NodeJS.Timeout;
  /** Not given out before this moment. */
  notBefore: number;
}

export const keyOf = (attempt: string, run: number) => `${attempt}/${run}`;

const NO_PLACE = "MAX_PREPARED";
/** A session could not be prepared or bound: no place for it at the model owner; its workers, an access point or the dealer are away or going; too many batches were lost with sessions. */
const UNPREPARED = [
  NO_PLACE,
  "PEER_UNREACHABLE",
  "DEALER_UNREACHABLE",
  "PEER_NOT_READY",
  "DRAINING",
  "ACCESS_POINT_AWAY",
  "TOO_MANY_BATCHES",
];
/** Nothing was bound, so the run may simply be given out again: that takes time, not one of the job's attempts. */
const unprepared = (outcome: RunOutcome): outcome is RunOutcome & { ok: false } =>
  !outcome.ok && !outcome.revealed && UNPREPARED.includes(outcome.failure.reason);
const AGAIN_MS = 250;

const failed = (code: Code, reason: string, message: string, hint: string, retryable: boolean): RunOutcome => ({
  ok: false,
  failure: { code, reason, message, hint },
  retryable,
  revealed: false,
});

export interface DispatcherTimes {
  /** How long a run waits for a worker before its attempt fails. */
  readonly waitMs: number;
  /** How long the result of a run may still come after its worker's stream broke. */
  readonly graceMs: number;
  /** How long a worker may keep a run without a word. */
  readonly runMs: number;
}

/** How often it is looked whether all runs have ended. */
const LOOK_MS = 20;

const stops = () =>
  failed(
    Code.ABORTED,
    "ACCESS_POINT_STOPS",
    "the access point stopped before the run began",
    "The job is tried again.",
    true,
  );

/**
 * Gives runs to free workers: to those with a prepared session first, of them to the least loaded, of equal ones in turn, so
 * that every worker has work and a new one soon.
 */
export class Dispatcher {
  private given = 0;
  private readonly waiting: Waiting[] = [];
  private readonly running = new Map<string, Waiting>();
  private closed = false;

  constructor(
    private readonly fleet: Fleet,
    changes: Changes,
    private readonly org: string,
    /** Told of an agreement whose prepared sessions leave a run no place. */
    private readonly onNoPlace: (agreement: string) => void = () => {},
    private readonly times: DispatcherTimes = { waitMs: 60_000, graceMs: 1_000, runMs: 600_000 },
  ) {
    changes.on("workers", () => this.assign());
    changes.on("demand", () => this.assign());
  }

  run(task: RunTask): Promise<RunOutcome> {
    if (this.closed) return Promise.resolve(stops());
    return new Promise((settle) => {
      const entry: Waiting = { task, settle, since: performance.now(), notBefore: 0 };
      this.waiting.push(entry);
      setTimeout(() => this.giveUp(entry), this.times.waitMs).unref();
      this.assign();
    });
  }

  /** A worker's word on a run: it has ended, it is given out again, or no such run is under way. */
  finish({ attempt, run }: { attempt: string; run: number }, outcome: RunOutcome): "ended" | "again" | "unknown" {
    const entry = this.running.get(keyOf(attempt, run));
    if (!entry) return "unknown";
    if (!unprepared(outcome) || performance.now() - entry.since > this.times.waitMs) {
      this.end(entry, outcome);
      return "ended";
    }
    if (outcome.failure.reason === NO_PLACE) this.onNoPlace(entry.task.agreement);
    this.takeBack(entry);
    entry.notBefore = performance.now() + AGAIN_MS;
    this.waiting.push(entry);
    setTimeout(() => this.assign(), AGAIN_MS + 1).unref();
    return "again";
  }

  /** Stops the runs of an attempt: those that wait at once, the others when their worker says how they ended. */
  cancel(attempt: string, why: Failure) {
    for (const entry of this.waiting.filter(({ task }) => task.attempt === attempt))
      this.end(entry, { ok: false, failure: why, retryable: false, revealed: false });
    const workers = [...this.running.values()]
      .filter(({ task }) => task.attempt === attempt)
      .map(({ worker }) => worker);
    for (const worker of new Set(workers)) worker?.send({ $case: "cancel", value: { attemptId: attempt } });
  }

  /** A worker's stream broke: its runs fail, unless their results arrive shortly on another stream. */
  lost(worker: AttachedWorker) {
    const entries = [...this.running.values()].filter((entry) => entry.worker === worker);
    if (entries.length === 0) return;
    setTimeout(() => {
      if (this.closed) return;
      for (const entry of entries)
        if (this.running.get(keyOf(entry.task.attempt, entry.task.run)) === entry)
          this.end(
            entry,
            failed(
              Code.ABORTED,
              "WORKER_LOST",
              `worker ${worker.name} of ${this.org} was lost during run ${entry.task.run}`,
              "The job is tried again.",
              true,
            ),
          );
    }, this.times.graceMs).unref();
  }

  /** The access point stops: what waits fails now, to be tried again; what runs is not failed any more: its worker keeps the result. */
  close() {
    if (this.closed) return;
    this.closed = true;
    for (const entry of [...this.waiting]) this.end(entry, stops());
  }

  /** Resolves when nothing runs, after `ms` at the latest. */
  async idle(ms: number): Promise<void> {
    for (const until = performance.now() + ms; this.running.size > 0 && performance.now() < until;)
      await pause(LOOK_MS);
  }

  private assign() {
    if (this.closed) return;
    for (const entry of [...this.waiting]) {
      if (entry.notBefore > performance.now()) continue;
      const worker = this.choose(entry.task);
      if (!worker) continue;
      this.waiting.splice(this.waiting.indexOf(entry), 1);
      entry.worker = worker;
      const key = keyOf(entry.task.attempt, entry.task.run);
      worker.runs.add(key);
      worker.give(entry.task.agreement, entry.task.records, ++this.given);
      this.running.set(key, entry);
      entry.patience = setTimeout(() => this.silent(entry), this.times.runMs).unref();
      entry.task.order().then(
        (order) => {
          if (this.running.get(key) !== entry) return;
          // It was told that none will come any more.
          if (worker.draining && !this.closed) return this.again(entry);
          worker.send({ $case: "run", value: order });
        },
        (error: unknown) =>
          this.end(
            entry,
            failed(
              Code.INTERNAL,
              "INPUT_UNREADABLE",
              `the stored input of job ${entry.task.job} cannot be read`,
              error instanceof Error && "code" in error ? String(error.code) : "See the access point's log.",
              false,
            ),
          ),
      );
    }
  }

  /** A worker that took a run and says nothing must not hold its job for ever. A late result is still taken. */
  private silent(entry: Waiting) {
    const { attempt, run } = entry.task;
    if (this.closed || this.running.get(keyOf(attempt, run)) !== entry) return;
    const { worker } = entry;
    worker?.send({ $case: "cancel", value: { attemptId: attempt } });
    const message = `worker ${worker?.name ?? ""} of ${this.org} said nothing about run ${run}`;
    this.end(entry, failed(Code.ABORTED, "WORKER_SILENT", message, "The job is tried again.", true));
  }

  private choose({ agreement, records }: RunTask): AttachedWorker | undefined {
    const free = this.fleet.workers.filter((worker) => worker.free > 0);
    const rank = (worker: AttachedWorker) => (worker.holds(agreement, records) ? 0 : 1e6) + worker.runs.size;
    return free.sort((a, b) => rank(a) - rank(b) || a.lastGiven - b.lastGiven)[0];
  }

  private again(entry: Waiting) {
    this.takeBack(entry);
    this.waiting.unshift(entry);
    this.assign();
  }

  private giveUp(entry: Waiting) {
    if (this.closed || !this.waiting.includes(entry)) return;
    const none = this.fleet.workers.length === 0;
    this.end(
      entry,
      failed(
        Code.UNAVAILABLE,
        none ? "NO_WORKER" : "WORKERS_BUSY",
        none ? `no worker of ${this.org} is attached to its access point` : `all workers of ${this.org} are busy`,
        none ? "Start a worker; `parley org worker-token` gives it a token." : "Start more workers, or wait.",
        true,
      ),
    );
  }

  private end(entry: Waiting, outcome: RunOutcome) {
    const at = this.waiting.indexOf(entry);
    if (at >= 0) this.waiting.splice(at, 1);
    this.takeBack(entry);
    entry.settle(outcome);
    this.assign();
  }

  private takeBack(entry: Waiting) {
    const key = keyOf(entry.task.attempt, entry.task.run);
    if (this.running.get(key) === entry) this.running.delete(key);
    clearTimeout(entry.patience);
    entry.worker?.runs.delete(key);
    entry.worker = undefined;
  }
}
