import type { ClientDuplexStream } from "@grpc/grpc-js";
import { TRANSCRIPT_BYTES } from "@parley/plan";
import { ClientSession } from "@parley/protocol";
import { Code, ParleyError, fromServiceError, peer } from "@parley/proto";
import { currentTrace, measure, newTrace, traceparentOf, withSpan, type Span } from "@parley/service-kit";
import type { WorkingAgreement } from "../models/agreement.js";
import { DryExchange } from "../peer/dry-exchange.js";
import { decodeResponse, encodeRequest, type ResponseControl } from "../peer/frame-codec.js";
import { GrpcChannel, type FrameSink } from "../peer/grpc-channel.js";
import type { PartnerConnection } from "../peer/partner-connection.js";
import type { PartnerConnections } from "../peer/partner-connections.js";
import { ClientLots } from "./client-lots.js";
import { sessionFailure } from "./failure.js";
import { bindingDigest, compareHellos, makeHello } from "./hello.js";
import { Inbox } from "./inbox.js";
import { fetchMasked, pinMask } from "./mask-pin.js";
import { requireSameBatch } from "./same-batch.js";
import { PartnerSteps } from "../telemetry/partner-steps.js";
import { RunRecord, type Preparation, type Stretch } from "../telemetry/run-record.js";
import { partyOf, peerOf, tellFailure, tellUnreachable } from "../telemetry/run-telemetry.js";
import { within } from "./within.js";
import { checkedSchedule, incomingOf, sessionIdOf, type PartyDependencies } from "./server-party.js";

export interface RunOutcome {
  readonly output: BigInt64Array;
  readonly onlineMicros: number;
  readonly bindMicros: number;
  readonly messages: number;
  readonly bytesP1ToP0: number;
  readonly bytesP0ToP1: number;
  readonly record: RunRecord;
  /** P0's steps, where they were asked for. */
  readonly partner: PartnerSteps | undefined;
}

const microsOf = (time?: Stretch) => (time ? Math.round((time.end - time.start) * 1000) : 0);
const micros = (from: number) => Math.round((performance.now() - from) * 1000);

/** A new stream is warmed by at most so many dry exchanges, and for at most so long. */
const WARM = { exchanges: 20, ms: 20 };

export interface ClientPartyDependencies extends PartyDependencies {
  readonly connections: PartnerConnections;
  /** Batches that are drawn together, at most. */
  readonly lot: number;
}

/** What a run is bound with. */
export interface RunBinding {
  readonly ticket: string;
  readonly jobId: string;
  readonly attemptId: string;
  readonly run: number;
  readonly traceparent: string;
  /** Whether somebody wants to know what each step took, at both parties. */
  readonly wantsSteps: boolean;
}

/** A run that is ready to be bound. */
interface PreparedRun {
  readonly batchId: Buffer;
  readonly session: ClientSession;
  readonly channel: GrpcChannel;
  readonly preparation: Preparation;
}

/** P1's side of one stream to a model owner's worker: runs one after the other, each prepared ahead with a batch of its own. */
export class ClientParty {
  readonly #inbox = new Inbox<ResponseControl>();
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  readonly #sink: FrameSink;
  readonly #schedule;
  #lots: ClientLots | undefined;
  #mask: WorkingAgreement["mask"];
  #hellos: readonly [peer.Hello, peer.Hello] | undefined;
  #channel: GrpcChannel | undefined;
  #session: ClientSession | undefined;
  #ready: PreparedRun | undefined;
  #dry: DryExchange | undefined;
  #ended: Error | undefined;
  #partner: PartnerSteps | undefined;
  /** Messages with P0's steps that are to come. */
  #stepsDue = 0;
  #onEnd: () => void = () => {};
  /** Set once P0's last message of the present run may have come. */
  revealed = false;
  /** Set once the model owner has bound the present run. */
  bound = false;
  /** What the last run took, as far as it came. */
  record: RunRecord | undefined;

  private constructor(
    private readonly d: ClientPartyDependencies,
    readonly agreement: WorkingAgreement,
    readonly records: number,
    private readonly connection: PartnerConnection,
  ) {
    this.#schedule = checkedSchedule(agreement, records);
    this.#stream = connection.open();
    this.#sink = { write: (m) => void this.#stream.write(m), end: () => this.close() };
    this.#stream.on("data", (message: Buffer) => this.take(message));
    this.#stream.on("error", (error) => this.end(fromServiceError(error)));
    this.#stream.on("end", () =>
      this.end(
        new ParleyError(
          Code.UNAVAILABLE,
          "PEER_GONE",
          "the model owner's worker has ended the session",
          "Retried with a new batch.",
        ),
      ),
    );
  }

  /**
   * Opens a stream on a connection that was taken for it, and prepares a run. Where the connection is given up by then, the
   * failure was that worker's: another one may do. @throws ParleyError
   */
  static async prepare(
    d: ClientPartyDependencies,
    agreement: WorkingAgreement,
    records: number,
    connection: PartnerConnection,
    connectMs: number,
  ): Promise<ClientParty> {
    let party: ClientParty | undefined;
    try {
      const certificate0 = await connection.serverCertificate(Math.min(connectMs, d.timeoutMs));
      party = new ClientParty(d, agreement, records, connection);
      await party.greet(certificate0);
      await party.prepareRun();
      d.connections.succeeded(connection);
      return party;
    } catch (error) {
      const failure = party ? party.outcomeOf(error) : sessionFailure(error);
      // Its certificates may be older than those that are stated.
      if (failure.reason === "HELLO_DIFFERS") d.connections.discard(connection);
      if (party) party.close();
      else {
        if (failure.code === Code.UNAVAILABLE) {
          d.connections.failed(connection);
          tellUnreachable(agreement, failure);
        }
        connection.release();
      }
      tellFailure(agreement, failure);
      throw failure;
    }
  }

  get usable(): boolean {
    return this.#ended === undefined;
  }

  /** Where the model owner's worker is, as host:port. */
  get target(): string {
    return this.connection.address.target;
  }

  /** Called once, when the stream has ended for any reason. */
  set onEnd(handler: () => void) {
    if (this.#ended) handler();
    else this.#onEnd = handler;
  }

  /** Ends the stream; its batches are dead. */
  close(): void {
    this.end(new ParleyError(Code.CANCELLED, "SESSION_CLOSED", "the session was closed", ""));
  }

  /** Batches that are drawn and wait for a preparation. */
  get drawn(): number {
    return this.#lots?.waiting ?? 0;
  }

  /** Draws the next batch, expands its part and exchanges the offline shares. @throws ParleyError */
  async prepareNext(): Promise<void> {
    try {
      await this.prepareRun();
    } catch (error) {
      tellFailure(this.agreement, sessionFailure(error));
      throw error;
    }
  }

  private async prepareRun(): Promise<void> {
    const { agreement, records } = this;
    const about = {
      ...partyOf(this),
      "parley.records": records,
      "parley.session.id": this.sessionId,
      peer: peerOf(agreement),
    };
    try {
      // Long before its job: a trace of its own, to which the job's is linked.
      await withSpan("parley.offline.prepare", about, (span) => this.prepareInSpan(span), { parent: newTrace() });
    } catch (error) {
      const failure = this.outcomeOf(error);
      this.close();
      throw failure;
    }
  }

  private async prepareInSpan(span: Span<"parley.offline.prepare">) {
    const started = performance.now();
    const { d, agreement, records } = this;
    const mask = this.#mask;
    if (!mask || !this.#lots) throw new Error("the mask is known after the Hello");
    const { batchId, part, trace } = await this.#lots.next();
    const masked = await d.operands.masked(agreement, mask, () => fetchMasked(this.connection, mask.id, d.timeoutMs));
    this.requireOpen();
    span.link(trace);
    span.set({ "parley.batch.id": batchId.toString("hex") });
    const channel = new GrpcChannel(this.#sink, incomingOf(this.#schedule, 0), d.poller);
    this.#channel = channel;
    const { fingerprint, correlations } = part;
    const value = { batchId, fingerprint, traceparent: traceparentOf(span.context) };
    this.#stream.write(encodeRequest({ $case: "batch", value }));
    const session = new ClientSession({ plan: agreement.plan, records, masked, correlations, channel });
    this.#session = session;
    this.revealed = this.bound = false;
    this.record = undefined;
    await within(session.prepare(), 4 * d.timeoutMs, () => this.close());
    const ready = (await this.#inbox.next(4 * d.timeoutMs, "ready")).value;
    requireSameBatch(part.fingerprint, ready.fingerprint);
    const preparation = { start: started, lasted: performance.now() - started, trace: span.context };
    this.#ready = { batchId, session, channel, preparation };
    span.set({ outcome: "succeeded" });
    measure("parley.offline.duration", preparation.lasted / 1000, partyOf(this), span.context);
  }

  /** One dry exchange between two runs: microseconds that the link alone costs. @throws ParleyError */
  async dry(): Promise<number> {
    this.requireOpen();
    const dry = new DryExchange(this.#schedule, 1, this.#sink, this.d.poller);
    this.#dry = dry;
    this.#stream.write(encodeRequest({ $case: "dry", value: {} }));
    const timer = setTimeout(() => this.end(silent()), this.d.timeoutMs);
    const started = performance.now();
    dry.go();
    try {
      await dry.done;
      return micros(started);
    } catch (error) {
      throw this.outcomeOf(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Binds the ticket to the prepared run and runs it. The stream stays, for the next one, unless the run fails. @throws ParleyError */
  async run(bind: RunBinding, input: BigInt64Array): Promise<RunOutcome> {
    const prepared = this.#ready;
    this.#ready = undefined;
    if (!prepared || !this.#hellos || this.#ended) throw this.#ended ?? new Error("a run is prepared first");
    const { batchId, session, channel, preparation } = prepared;
    const record = new RunRecord(this.agreement, this.records, preparation, bind.wantsSteps);
    this.record = record;
    const partner = bind.wantsSteps ? new PartnerSteps(batchId) : undefined;
    this.#partner = partner;
    if (partner) this.#stepsDue++;
    if (record.times) session.observe(record.times);
    // From here on, so that this core is awake when the answer comes.
    const stopPolling = this.d.poller.start(() => session.idle());
    const timer = setTimeout(() => this.end(silent()), this.d.timeoutMs * 4);
    try {
      const helloDigest = bindingDigest(...this.#hellos, batchId);
      this.#stream.write(encodeRequest({ $case: "bind", value: { ...bind, helloDigest } }));
      await this.#inbox.next(this.d.timeoutMs, "bound");
      this.bound = true;
      record.bound();
      const before = { ...channel.counters };
      record.begin();
      const output = await session.run(input);
      record.finish();
      record.passed = session.passed;
      this.revealed = true;
      const { counters } = channel;
      const messages =
        counters.sentMessages - before.sentMessages + counters.receivedMessages - before.receivedMessages;
      const bytesP1ToP0 = counters.sentBytes - before.sentBytes - TRANSCRIPT_BYTES;
      const bytesP0ToP1 = counters.receivedBytes - before.receivedBytes;
      this.endRun(channel);
      const [onlineMicros, bindMicros] = [record.online, record.bind].map(microsOf);
      return { output, onlineMicros, bindMicros, messages, bytesP1ToP0, bytesP0ToP1, record, partner };
    } catch (error) {
      const failure = this.outcomeOf(error);
      record.finish();
      record.passed = session.passed;
      this.close();
      throw failure;
    } finally {
      clearTimeout(timer);
      stopPolling();
    }
  }

  /** The run is over: its memory goes back, the stream is free for the next batch. */
  private endRun(channel: GrpcChannel) {
    channel.ended();
    this.#channel = undefined;
    this.#session = undefined;
  }

  /** What ended the stream explains a failure better than what it caused. */
  private outcomeOf(error: unknown): ParleyError {
    const ended = this.#ended;
    return ended instanceof ParleyError && ended.reason !== "SESSION_CLOSED" ? ended : sessionFailure(error);
  }

  private requireOpen() {
    if (this.#ended) throw this.#ended;
  }

  /** The two Hellos; the mask that they agree on is pinned, and the stream is warm. */
  private async greet(certificate0: Buffer) {
    const { d, agreement, records } = this;
    const own = makeHello({
      agreement,
      party: 1,
      certificate0,
      certificate1: this.connection.ownCertificate,
      records,
      schedule: this.#schedule,
      traceparent: traceparentOf(currentTrace() ?? newTrace()),
    });
    this.#stream.write(encodeRequest({ $case: "hello", value: own }));
    const theirs = (await this.#inbox.next(d.timeoutMs, "hello")).value;
    compareHellos(own, theirs);
    this.#hellos = [own, theirs];
    const mask = await pinMask(d, agreement, theirs);
    this.#mask = mask;
    this.#lots = new ClientLots(d, {
      agreement,
      records,
      maskId: mask.id,
      announce: (ids, traceparent) =>
        void this.#stream.write(encodeRequest({ $case: "lot", value: { batchIds: [...ids], traceparent } })),
      requireOpen: () => this.requireOpen(),
    });
    const began = performance.now();
    for (let i = 0; i < WARM.exchanges && performance.now() - began < WARM.ms; i++) await this.dry();
  }

  /** Resolves when no batches are on their way from the dealer. */
  async settled(): Promise<void> {
    await this.#lots?.settled();
  }

  private take(data: Buffer) {
    try {
      const message = decodeResponse(data);
      if ("control" in message) {
        if (message.control.$case === "steps") return this.takeSteps(message.control.value);
        return this.#inbox.put(message.control);
      }
      const receiver = this.#dry && !this.#dry.over ? this.#dry : this.#channel;
      if (!receiver) throw new RangeError("a share came outside of a run");
      receiver.accept(message.frame);
    } catch (error) {
      this.end(sessionFailure(error));
    }
  }

  /** P0 tells its steps once for each run of which they were asked for. */
  private takeSteps(steps: peer.Steps) {
    if (--this.#stepsDue < 0) throw new RangeError("steps came that nobody had asked for");
    this.#partner?.put(steps);
  }

  /** Once the Hellos are exchanged. */
  get sessionId(): string | undefined {
    return this.#hellos && sessionIdOf(this.#hellos);
  }

  private end(error: Error) {
    if (this.#ended) return;
    this.#ended = error;
    this.#inbox.fail(error);
    this.#dry?.end(error);
    this.#channel?.ended(error);
    this.#session?.destroy();
    this.#lots?.close();
    this.#stream.cancel();
    if (error instanceof ParleyError && error.code === Code.UNAVAILABLE) {
      this.d.connections.failed(this.connection);
      tellUnreachable(this.agreement, error);
    }
    this.connection.release();
    this.#onEnd();
  }
}

const silent = () =>
  new ParleyError(
    Code.DEADLINE_EXCEEDED,
    "PEER_SILENT",
    "the model owner's worker stopped answering",
    "Retried with a new batch.",
  );
