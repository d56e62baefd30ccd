import type { fleet } from "@parley/proto";
import { MessageQueue } from "@parley/service-kit";

type Body = NonNullable<fleet.AttachResponse["body"]>;

/** A worker whose control stream is up. */
export class AttachedWorker {
  readonly outgoing = new MessageQueue<fleet.AttachResponse>();
  /** Runs under way, as "attempt/run". */
  readonly runs = new Set<string>();
  /** Prepared or running sessions at the model owner, by the worker's number, with the agreement's digest. */
  readonly sessions = new Map<bigint, string>();
  /** Prepared sessions at the data owner. */
  stock: readonly { readonly agreement: string; readonly records: number; readonly sessions: number }[] = [];
  draining = false;
  /** Put out: nothing that it still says counts. */
  revoked = false;
  /** Number of the last run that was given to it, over all workers. */
  lastGiven = 0;

  constructor(
    readonly name: string,
    readonly endpoint: string,
    readonly concurrency: number,
    /** By its certificate: what it calls itself says nothing. */
    readonly enrolment = "",
  ) {}

  send(body: Body, replyTo = 0n) {
    this.outgoing.push({ replyTo, body });
  }

  get free(): number {
    return this.draining ? 0 : this.concurrency - this.runs.size;
  }

  /** A run takes one of the prepared sessions, until the worker reports again what it has. */
  give(agreement: string, records: number, number: number) {
    this.lastGiven = number;
    this.stock = this.stock.map((entry) =>
      entry.agreement === agreement && entry.records === records && entry.sessions > 0
        ? { ...entry, sessions: entry.sessions - 1 }
        : entry,
    );
  }

  holds(agreement: string, records: number): boolean {
    return this.stock.some((entry) => entry.agreement === agreement && entry.records === records && entry.sessions > 0);
  }
}
