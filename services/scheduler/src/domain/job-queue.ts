import type { Logger } from "@parley/service-kit";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

const PREFIX = "parley";
/** How long an answer of Redis is waited for. */
const ANSWER_MS = 2_000;
/** BullMQ's own limit plays no part: the database counts attempts. */
const UNLIMITED = 1_000_000;

const nameOf = (org: string) => `jobs-${org}`;
/** Waits before the next try of a job, milliseconds. */
export const backoff = (tries: number) => Math.min(250 * 2 ** Math.min(tries - 1, 10), 15_000);

export interface QueueWorker {
  /** Takes no more jobs; those under way go on. */
  stop(): Promise<void>;
  /** Stops taking jobs and waits for those under way; where Redis does not answer, it leaves them to the stall check of another worker. */
  close(): Promise<void>;
}

/** The job is tried again after a while. */
export class TryAgain extends Error {}

/**
 * One BullMQ queue per data owner, so that no organisation waits for another's jobs; within a queue first come, first
 * served. It holds job ids only. Adding an id that is in the queue changes nothing.
 */
export class JobQueue {
  readonly #redis: Redis;
  readonly #queues = new Map<string, Queue>();

  constructor(
    url: string,
    private readonly logger: Logger,
  ) {
    this.#redis = new Redis(url, {
      maxRetriesPerRequest: null,
      retryStrategy: (tries) => Math.min(tries * 100, 1_000),
    });
    let told = false;
    this.#redis.on("error", (error: Error) => {
      if (!told) this.logger.warn({ reason: error.message }, "redis is not reached, trying again");
      told = true;
    });
    this.#redis.on("ready", () => (told = false));
  }

  /** True while Redis is connected. */
  get ready(): boolean {
    return this.#redis.status === "ready";
  }

  /** Called whenever the connection is (again) there: Redis may have lost everything. */
  onReady(listener: () => void): void {
    this.#redis.on("ready", listener);
  }

  /** Adds jobs of an organisation, to be taken after `delay` milliseconds. @returns false where Redis does not answer in time */
  async add(org: string, jobIds: readonly string[], delay = 0): Promise<boolean> {
    if (!this.ready) return false;
    const options = {
      delay,
      attempts: UNLIMITED,
      backoff: { type: "custom" },
      removeOnComplete: true,
      removeOnFail: true,
    };
    const jobs = jobIds.map((jobId) => ({ name: "job", data: {}, opts: { ...options, jobId } }));
    return answered(this.queue(org).addBulk(jobs));
  }

  /** Removes a job that no worker has taken yet; one under way finds out by itself. */
  async remove(org: string, jobId: string): Promise<void> {
    if (this.ready) await answered(this.queue(org).remove(jobId));
  }

  /** Runs an organisation's jobs; `run` throws {@link TryAgain} for another try. `onDrained` hears that nothing waits any more. */
  work(
    org: string,
    concurrency: number,
    run: (jobId: string) => Promise<void>,
    onDrained: () => void = () => {},
  ): QueueWorker {
    const worker = new Worker(
      nameOf(org),
      async ({ id = "" }) => {
        try {
          await run(id);
        } catch (error) {
          if (error instanceof TryAgain) throw error;
          this.logger.warn({ job: id, err: error }, "attempt could not be run");
          // What is thrown here is stored in Redis: not the text of a database's error, which quotes parameters.
          throw new TryAgain("the attempt could not be run");
        }
      },
      {
        connection: this.#redis,
        prefix: PREFIX,
        concurrency,
        lockDuration: 10_000,
        stalledInterval: 5_000,
        maxStalledCount: UNLIMITED,
        settings: { backoffStrategy: backoff },
      },
    );
    worker.on("error", () => {}); // told once by the connection
    worker.on("drained", onDrained);
    return {
      stop: () => worker.pause(true),
      close: async () => {
        if (!(await answered(worker.close(), 5_000))) await answered(worker.close(true));
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => answered(queue.close())));
    this.#redis.disconnect();
  }

  private queue(org: string): Queue {
    const known = this.#queues.get(org);
    if (known) return known;
    const queue = new Queue(nameOf(org), { connection: this.#redis, prefix: PREFIX });
    queue.on("error", () => {}); // told once by the connection
    this.#queues.set(org, queue);
    return queue;
  }
}

/** With `maxRetriesPerRequest: null` a command waits as long as Redis is away; callers here do not. */
async function answered(work: Promise<unknown>, ms = ANSWER_MS): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
  const done = work.then(
    () => true,
    () => false,
  );
  return Promise.race([done, late]).finally(() => clearTimeout(timer));
}
