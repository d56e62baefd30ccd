import type { fleet } from "@parley/proto";
import type { Logger } from "@parley/service-kit";
import type { Changes } from "../changes.js";
import { AttachedWorker } from "./attached-worker.js";

/** The workers of this organisation that are attached now. */
export class Fleet {
  private readonly attached = new Set<AttachedWorker>();

  constructor(
    private readonly changes: Changes,
    private readonly logger: Logger,
  ) {}

  get workers(): readonly AttachedWorker[] {
    return [...this.attached];
  }

  /** Takes a worker in. A newer process of a name drains the older one; one that stops itself says so by running nothing. */
  attach({ name, endpoint, concurrency }: fleet.WorkerHello, enrolment = ""): AttachedWorker {
    for (const other of this.attached) if (other.name === name) this.drain(other);
    const worker = new AttachedWorker(name, endpoint, concurrency, enrolment);
    worker.draining = concurrency === 0;
    this.attached.add(worker);
    this.logger.info({ worker: name, endpoint, concurrency }, "worker attached");
    this.changes.emit("workers");
    return worker;
  }

  detach(worker: AttachedWorker) {
    if (!this.attached.delete(worker)) return;
    worker.outgoing.end();
    worker.draining = true;
    this.logger.info({ worker: worker.name }, "worker detached");
    this.changes.emit("workers");
  }

  /** Takes no new work there; the worker ends its stream when its running work is done. */
  drain(worker: AttachedWorker) {
    if (worker.draining) return;
    worker.draining = true;
    worker.send({ $case: "drain", value: {} });
  }

  /** Ends the stream of a worker that was revoked. */
  expel(worker: AttachedWorker) {
    worker.revoked = true;
    this.logger.warn({ worker: worker.name, enrolment: worker.enrolment }, "worker revoked");
    this.detach(worker);
  }

  /** The worker stops by itself. */
  stopping(worker: AttachedWorker) {
    if (worker.draining) return;
    worker.draining = true;
    this.logger.info({ worker: worker.name }, "worker stops");
    this.changes.emit("workers");
  }

  /** Where partners reach this organisation's workers. */
  get endpoints(): string[] {
    const open = this.workers.filter((worker) => worker.endpoint !== "" && !worker.draining);
    return [...new Set(open.map((worker) => worker.endpoint))].sort();
  }

  /** Sessions of an agreement over all workers. */
  sessions(agreement: string): number {
    let count = 0;
    for (const worker of this.attached)
      for (const digest of worker.sessions.values()) if (digest === agreement) count++;
    return count;
  }
}
