import { schedule, type Schedule } from "@parley/plan";
import { ServerSession } from "@parley/protocol";
import { Code, ParleyError, type peer } from "@parley/proto";
import {
  foreignTrace,
  measure,
  startSpan,
  traceparentOf,
  withSpan,
  withTrace,
  type Logger,
  type Peer,
  type Span,
} from "@parley/service-kit";
import type { DealerLink } from "../dealing/dealer-link.js";
import type { FleetLink } from "../fleet/fleet-link.js";
import type { WorkingAgreement } from "../models/agreement.js";
import type { AgreementSet } from "../models/agreement-set.js";
import type { Operands } from "../models/operands.js";
import { DryExchange } from "../peer/dry-exchange.js";
import { encodeResponse, type RequestControl } from "../peer/frame-codec.js";
import { GrpcChannel, type FrameSink } from "../peer/grpc-channel.js";
import type { Poller } from "../peer/poller.js";
import { admit, refused, requireActive } from "./admission.js";
import { sessionFailure } from "./failure.js";
import { bindingDigest, compareHellos, makeHello } from "./hello.js";
import { Inbox } from "./inbox.js";
import { requireSameBatch } from "./same-batch.js";
import { ServerDraws } from "./server-draws.js";
import { RunRecord, type Preparation } from "../telemetry/run-record.js";
import { compactSteps } from "../telemetry/run-steps.js";
import { partyOf, peerOf, tellRun } from "../telemetry/run-telemetry.js";
import { within } from "./within.js";

export interface PartyDependencies {
  readonly agreements: AgreementSet;
  readonly operands: Operands;
  readonly dealers: DealerLink;
  readonly fleet: FleetLink;
  readonly poller: Poller;
  readonly logger: Logger;
  /** SHA-256 of the own leaf certificate. */
  readonly certificate: () => Buffer;
  readonly timeoutMs: number;
  readonly idleMs: number;
}

let sessions = 0n;

/** Dry exchanges of one stream between two runs. */
const MOST_DRY = 1000;
/** Between a run's last message and the end of a stream that ends with it: the peer has its result by then. */
const PARTING_MS = 100;

/**
 * P0's side of one stream: Hello, then one run after the other, each with a batch of its own: batch, offline shares, ready,
 * bind, run. Whatever ends the stream, its batches are dead. Order matters: a batch is recorded by the own access point
 * before its part is fetched, a run before it is bound.
 */
export class ServerParty {
  readonly #inbox = new Inbox<RequestControl>();
  readonly #draws: ServerDraws;
  #run: Run | undefined;
  #schedule: Schedule | undefined;
  #channel: GrpcChannel | undefined;
  #session: ServerSession | undefined;
  #agreement: WorkingAgreement | undefined;
  #dry: DryExchange | undefined;
  #dries = 0;
  #number = 0n;
  #ended: Error | undefined;
  #last: Error | undefined;

  constructor(
    private readonly d: PartyDependencies,
    private readonly sink: FrameSink,
    private readonly peer: Peer,
  ) {
    this.#draws = new ServerDraws(d);
  }

  /** Organisation of the peer's certificate. */
  get org(): string {
    return this.peer.org;
  }

  /** True while a ticket is bound: the run must be let finish. */
  bound = false;
  /** True while P1 is waited for: a stream that ends then has failed nobody. */
  idle = false;

  /** Of the agreement under which the session runs, once known. */
  get agreementId(): string | undefined {
    return this.#agreement?.id;
  }

  /** A message from the stream. @throws where it is out of order: the caller ends the session */
  take(message: { frame: Buffer } | { control: RequestControl }): void {
    if ("frame" in message) {
      const receiver = this.#dry && !this.#dry.over ? this.#dry : this.#channel;
      if (!receiver) throw new RangeError("a share came before the batch that it belongs to");
      return receiver.accept(message.frame);
    }
    const { control } = message;
    if (control.$case === "dry") return this.answerDry();
    if (control.$case === "lot") return this.takeLot(control.value);
    if (control.$case === "batch") this.beginRun();
    this.#inbox.put(control);
  }

  /** The stream has ended, or must end. */
  end(error: Error): void {
    this.#ended ??= error;
    this.#inbox.fail(error);
    this.#dry?.end(error);
    this.#channel?.ended(error);
    this.#session?.destroy();
    this.#draws.end(error);
  }

  /** The stream must end, though not before a run that is bound has. */
  endAfterRun(error: Error): void {
    this.#last = error;
    if (!this.bound) this.end(error);
  }

  /** Serves the stream to its end. @throws ParleyError */
  async serve(): Promise<void> {
    const { d } = this;
    const theirs = (await this.#inbox.next(d.timeoutMs, "hello")).value;
    const { parent } = foreignTrace(theirs.traceparent);
    return withTrace(parent, async () => {
      const agreement = admit(d.agreements, theirs.agreementDigest, this.peer);
      this.#agreement = agreement;
      const { mask } = agreement;
      if (!mask) throw refused("the model's mask is not ready yet", "Try again in a moment.");
      const schedule = checkedSchedule(agreement, theirs.records);
      await this.openSession(agreement);
      try {
        const own = makeHello({
          agreement,
          party: 0,
          certificate0: d.certificate(),
          certificate1: this.peer.thumbprint,
          records: theirs.records,
          schedule,
          traceparent: traceparentOf(parent),
        });
        compareHellos(own, theirs);
        this.#schedule = schedule;
        const run = { agreement, maskId: mask.id, records: theirs.records, hellos: [theirs, own] as const };
        this.#run = run;
        this.sink.write(encodeResponse({ $case: "hello", value: own }));
        for (let wait = d.timeoutMs; ; wait = d.idleMs) {
          const batch = (await this.#inbox.next(wait, "batch")).value;
          this.idle = false;
          if (this.#number === 0n) await this.openSession(agreement);
          const preparation = await this.prepare(run, batch);
          this.idle = true;
          await this.bindAndRun(run, batch, preparation);
          if (!this.#last) continue;
          await new Promise((resolve) => setTimeout(resolve, PARTING_MS));
          throw this.#last;
        }
      } finally {
        this.#session?.destroy();
        this.closeSession();
        this.#draws.close();
      }
    });
  }

  /** A place among the prepared sessions of the agreement: from here until the run has ended. */
  private async openSession({ digest }: WorkingAgreement) {
    const number = ++sessions;
    await this.d.fleet
      .ask({ $case: "openSession", value: { agreementDigest: digest, session: number } })
      .catch((error: unknown) => {
        // Told apart from an access point that is lost while a run is bound: here nothing is.
        if (!(error instanceof ParleyError) || error.code !== Code.UNAVAILABLE) throw error;
        const message = "the model owner's worker is without its access point for now";
        throw new ParleyError(error.code, "PEER_NOT_READY", message, "Tried again in a moment.", {}, { cause: error });
      });
    this.#number = number;
  }

  private closeSession() {
    if (this.#number > 0n) this.d.fleet.tell({ $case: "closeSession", value: { session: this.#number } });
    this.#number = 0n;
  }

  private answerDry() {
    if (!this.#schedule || this.bound || (this.#dry && !this.#dry.over) || ++this.#dries > MOST_DRY)
      throw new RangeError("a dry exchange came at a wrong time, or there were too many");
    this.#dry = new DryExchange(this.#schedule, 0, this.sink, this.d.poller);
  }

  /** The frames of a run may follow its batch at once. */
  private beginRun() {
    if (!this.#schedule || this.#channel) throw new RangeError("a batch came before the Hello, or during another run");
    this.#channel = new GrpcChannel(this.sink, incomingOf(this.#schedule, 1), this.d.poller);
  }

  /** Batches of runs to come; at any time after the Hello, so that their parts are here when they are needed. */
  private takeLot({ batchIds, traceparent }: peer.Lot) {
    this.#draws.takeLot(this.#run, batchIds, traceparent);
  }

  private prepare(run: Run, batch: peer.Batch): Promise<Preparation> {
    const { agreement, records, hellos } = run;
    const about = {
      ...partyOf(run),
      "parley.batch.id": batch.batchId.toString("hex"),
      "parley.session.id": sessionIdOf(hellos),
      "parley.records": records,
      peer: peerOf(agreement),
    };
    const prepare = (span: Span<"parley.offline.prepare">) => this.prepareInSpan(run, batch, span);
    return withSpan("parley.offline.prepare", about, prepare, foreignTrace(batch.traceparent));
  }

  private async prepareInSpan(
    run: Run,
    { batchId, fingerprint, traceparent }: peer.Batch,
    span: Span<"parley.offline.prepare">,
  ): Promise<Preparation> {
    const started = performance.now();
    const { d } = this;
    const draw = this.#draws.of(run, batchId, traceparent);
    span.link(draw.trace);
    const weights = await d.operands.weights(run.agreement);
    const part = await draw.part;
    this.#draws.taken(batchId);
    try {
      requireSameBatch(part.fingerprint, fingerprint);
    } catch (error) {
      part.correlations.close();
      throw error;
    }
    if (!this.#channel) throw new Error("the channel is made when the batch comes");
    const session = new ServerSession({
      plan: run.agreement.plan,
      records: run.records,
      weights,
      correlations: part.correlations,
      channel: this.#channel,
    });
    this.#session = session;
    await within(session.prepare(), 4 * d.timeoutMs, () => session.destroy());
    this.sink.write(encodeResponse({ $case: "ready", value: { fingerprint: part.fingerprint } }));
    const lasted = performance.now() - started;
    span.set({ outcome: "succeeded" });
    measure("parley.offline.duration", lasted / 1000, partyOf(run), span.context);
    return { start: started, lasted, trace: span.context };
  }

  private async bindAndRun({ agreement, hellos, records }: Run, { batchId }: peer.Batch, preparation: Preparation) {
    const { d } = this;
    const session = this.#session;
    const channel = this.#channel;
    if (!session || !channel) throw new Error("a run is prepared before it is bound");
    const bind = (await this.#inbox.next(d.idleMs, "bind")).value;
    if (!bind.helloDigest.equals(bindingDigest(...hellos, batchId)))
      throw new ParleyError(
        Code.FAILED_PRECONDITION,
        "HELLO_DIFFERS",
        "the bind is for another session or batch",
        "Retried with a new batch.",
        { field: "helloDigest" },
      );
    requireActive(d.agreements, agreement);
    this.idle = false;
    this.bound = true; // or soon: the access point may have recorded it already
    const { ticket, jobId, attemptId, run, wantsSteps } = bind;
    const span = this.runSpan(bind, agreement, hellos, preparation);
    const traceparent = traceparentOf(span.context);
    const record = new RunRecord(agreement, records, preparation, wantsSteps || span.isRecording);
    if (record.times) session.observe(record.times);
    // From here on, so that this core is awake when the first share comes.
    const stopPolling = d.poller.start(() => session.idle());
    const asked = d.fleet.ask({
      $case: "bindRun",
      value: {
        ticket,
        agreementDigest: agreement.digest,
        batchId,
        jobId,
        attemptId,
        run,
        records,
        peerCertificate: this.peer.thumbprint,
        traceparent,
      },
    });
    await asked.catch((error: unknown) => {
      stopPolling();
      this.bound = false;
      tellRun(span, undefined, sessionFailure(error).reason);
      throw error;
    });
    record.bound();
    let failed: string | undefined;
    const before = { ...channel.counters };
    const timer = setTimeout(
      () => session.destroy(),
      d.timeoutMs + schedule(agreement.plan, records).messages.length * 1000,
    );
    try {
      record.begin();
      const done = session.run(() => requireActive(d.agreements, agreement));
      this.sink.write(encodeResponse({ $case: "bound", value: {} }));
      await done;
      record.finish();
      record.passed = session.passed;
      this.endRun(channel);
      // In a later turn, so that the last message has left.
      if (wantsSteps) setImmediate(() => this.tellSteps(record, batchId));
    } catch (error) {
      record.finish();
      record.passed = session.passed;
      failed = sessionFailure(this.#ended ?? error).reason;
      throw error;
    } finally {
      clearTimeout(timer);
      stopPolling();
      this.bound = false;
      const { receivedBytes, sentBytes } = channel.counters;
      const value = {
        attemptId,
        run,
        revealed: session.revealed,
        bytesReceived: BigInt(receivedBytes - before.receivedBytes),
        bytesSent: BigInt(sentBytes - before.sentBytes),
        batchId,
      };
      this.idle = true; // what failed is told here
      tellRun(span, record, failed);
      d.fleet
        .askSurely({ $case: "runEnded", value })
        .catch((error: unknown) =>
          d.logger.warn(
            { reason: sessionFailure(error).reason, attemptId },
            "the end of a run was not recorded; its quota stays used",
          ),
        );
      this.closeSession();
    }
  }

  /** The run at this party: under the job's trace, or linked to it, as this organisation wants. */
  private runSpan(
    { traceparent, jobId, attemptId, run }: peer.Bind,
    agreement: WorkingAgreement,
    hellos: Run["hellos"],
    { trace }: Preparation,
  ) {
    const { parent, links } = foreignTrace(traceparent);
    const about = {
      ...partyOf({ agreement }),
      "parley.job.id": jobId,
      "parley.attempt.id": attemptId,
      "parley.run": run,
      "parley.session.id": sessionIdOf(hellos),
      "parley.records": hellos[0].records,
      peer: peerOf(agreement),
    };
    return startSpan("parley.run", about, { parent, links: [...links, trace] });
  }

  private tellSteps(record: RunRecord, batchId: Buffer) {
    if (!this.#ended) this.sink.write(encodeResponse({ $case: "steps", value: compactSteps(record, batchId) }));
  }

  /** The run is over: its memory goes back, the stream is free for the next batch. */
  private endRun(channel: GrpcChannel) {
    channel.ended();
    this.#channel = undefined;
    this.#session = undefined;
    this.#dries = 0;
  }
}

/** Told in spans of both parties: 8 of the random bytes that P1 drew for the stream. */
export const sessionIdOf = ([{ nonce }]: readonly peer.Hello[]) => nonce.toString("hex", 0, 8);

/** What all runs of a stream share. */
interface Run {
  readonly agreement: WorkingAgreement;
  readonly maskId: Buffer;
  readonly records: number;
  /** P1's and the own, as sent. */
  readonly hellos: readonly [peer.Hello, peer.Hello];
}

/** The schedule for a number of records that the plan allows. */
export function checkedSchedule(agreement: WorkingAgreement, records: number) {
  const { plan } = agreement;
  if (records < 1 || records > plan.maxRecords || (records & (records - 1)) !== 0)
    throw new ParleyError(
      Code.FAILED_PRECONDITION,
      "HELLO_DIFFERS",
      `a run of ${records} records is not allowed: powers of two up to ${plan.maxRecords} are`,
      "Cut the job into runs as its ticket says.",
      { field: "records" },
    );
  return schedule(plan, records);
}

/** Steps that come from a party, with their length on the wire. */
export const incomingOf = ({ messages }: ReturnType<typeof schedule>, from: 0 | 1) =>
  messages.filter((m) => m.from === from).map(({ step, bytes, trailer }) => ({ step, bytes: bytes + trailer }));
