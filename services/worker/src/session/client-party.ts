import { Client, type ClientDuplexStream } from "@grpc/grpc-js";
import { computeMaskId } from "@parley/correlation";
import { TRANSCRIPT_BYTES } from "@parley/plan";
import { ClientSession } from "@parley/protocol";
import { Code, ParleyError, createClient, fleet, fromServiceError, peer } from "@parley/proto";
import {
  continueTrace,
  currentTrace,
  mutualChannelCredentials,
  thumbprintOf,
  traceparentOf,
  type CertificateHolder,
} from "@parley/service-kit";
import type { WorkingAgreement } from "../models/agreement.js";
import { decodeResponse, encodeRequest, type ResponseControl } from "../peer/frame-codec.js";
import { GrpcChannel } from "../peer/grpc-channel.js";
import { STREAM_OPTIONS } from "../peer/stream-options.js";
import { sessionFailure } from "./failure.js";
import { compareHellos, helloDigest, makeHello } from "./hello.js";
import { Inbox } from "./inbox.js";
import { within } from "./within.js";
import { checkedSchedule, incomingOf, type PartyDependencies } from "./server-party.js";

export interface RunOutcome {
  readonly output: BigInt64Array;
  readonly onlineMicros: number;
  readonly bindMicros: number;
  readonly messages: number;
  readonly bytesP1ToP0: number;
  readonly bytesP0ToP1: number;
}

/** An address where nobody answers is given up soon: there may be others. */
const CONNECT_MS = 5_000;
const asIs = (value: Buffer) => value;
const micros = (from: number) => Math.round((performance.now() - from) * 1000);

export interface ClientPartyDependencies extends PartyDependencies {
  readonly own: CertificateHolder;
}

/** P1's side of one session, on an HTTP/2 connection of its own: prepared ahead, bound to one run, then over. */
export class ClientParty {
  readonly #inbox = new Inbox<ResponseControl>();
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  #channel: GrpcChannel | undefined;
  #session: ClientSession | undefined;
  #hellos: Buffer = Buffer.alloc(0);
  #leaf: Buffer | undefined;
  #ended: Error | undefined;
  #onEnd: () => void = () => {};
  /** How long the preparation took. */
  offlineMicros = 0;
  /** Set once P0's last message may have come. */
  revealed = false;
  /** Set once the model owner has bound the run. */
  bound = false;

  private constructor(
    private readonly d: ClientPartyDependencies,
    readonly agreement: WorkingAgreement,
    readonly records: number,
    private readonly endpoint: string,
  ) {
    const { org, bundle } = agreement.partner;
    const credentials = mutualChannelCredentials(d.own, {
      org,
      role: "worker",
      bundle: () => bundle,
      onLeaf: (der) => (this.#leaf = der),
    });
    this.#client = new Client(endpoint, credentials, STREAM_OPTIONS);
    this.#stream = this.#client.makeBidiStreamRequest(peer.PeerServiceService.session.path, asIs, asIs);
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

  /** Opens a session to a worker of the model owner and prepares it. @throws ParleyError */
  static async prepare(
    d: ClientPartyDependencies,
    agreement: WorkingAgreement,
    records: number,
    endpoint: string,
  ): Promise<ClientParty> {
    const party = new ClientParty(d, agreement, records, endpoint);
    const started = performance.now();
    try {
      await party.open();
      party.offlineMicros = micros(started);
      return party;
    } catch (error) {
      const failure = party.outcomeOf(error);
      party.close();
      throw failure;
    }
  }

  get usable(): boolean {
    return this.#ended === undefined;
  }

  /** Called once, when the session has ended for any reason. */
  set onEnd(handler: () => void) {
    if (this.#ended) handler();
    else this.#onEnd = handler;
  }

  /** Ends the session; its batch is dead. */
  close(): void {
    this.end(new ParleyError(Code.CANCELLED, "SESSION_CLOSED", "the session was closed", ""));
  }

  /** Binds the ticket and runs. Once. @throws ParleyError */
  async run(
    bind: { ticket: string; jobId: string; attemptId: string; run: number; traceparent: string },
    input: BigInt64Array,
  ): Promise<RunOutcome> {
    const session = this.#session;
    const channel = this.#channel;
    if (!session || !channel || this.#ended) throw this.#ended ?? new Error("the session is not prepared");
    try {
      const binding = performance.now();
      this.#stream.write(encodeRequest({ $case: "bind", value: { ...bind, helloDigest: this.#hellos } }));
      await this.#inbox.next("bound", this.d.timeoutMs);
      this.bound = true;
      const bindMicros = micros(binding);
      const before = { ...channel.counters };
      const timer = setTimeout(
        () =>
          this.end(
            new ParleyError(
              Code.DEADLINE_EXCEEDED,
              "PEER_SILENT",
              "the model owner's worker stopped answering",
              "Retried with a new batch.",
            ),
          ),
        this.d.timeoutMs * 4,
      );
      this.d.poller.start();
      const started = performance.now();
      try {
        const output = await session.run(input);
        const onlineMicros = micros(started);
        this.revealed = true;
        const { counters } = channel;
        const messages =
          counters.sentMessages - before.sentMessages + counters.receivedMessages - before.receivedMessages;
        const bytesP1ToP0 = counters.sentBytes - before.sentBytes - TRANSCRIPT_BYTES;
        return {
          output,
          onlineMicros,
          bindMicros,
          messages,
          bytesP1ToP0,
          bytesP0ToP1: counters.receivedBytes - before.receivedBytes,
        };
      } finally {
        clearTimeout(timer);
        this.d.poller.stop();
      }
    } catch (error) {
      throw this.outcomeOf(error);
    } finally {
      this.close();
    }
  }

  /** What ended the stream explains a failure better than what it caused. */
  private outcomeOf(error: unknown): ParleyError {
    const ended = this.#ended;
    return ended instanceof ParleyError && ended.reason !== "SESSION_CLOSED" ? ended : sessionFailure(error);
  }

  private async open() {
    const { d, agreement, records } = this;
    const messages = checkedSchedule(agreement, records);
    const traceparent = traceparentOf(currentTrace() ?? continueTrace(undefined));
    const certificate0 = await this.serverCertificate();
    const own = makeHello({
      agreement,
      party: 1,
      certificate0,
      certificate1: d.certificate(),
      records,
      schedule: messages,
      traceparent,
    });
    this.#channel = new GrpcChannel(
      { write: (m) => void this.#stream.write(m), end: () => this.close() },
      incomingOf(messages, 0),
      d.poller,
    );
    this.#stream.write(encodeRequest({ $case: "hello", value: own }));
    const theirs = (await this.#inbox.next("hello", d.timeoutMs)).value;
    compareHellos(own, theirs);
    this.#hellos = helloDigest(own, theirs);
    const mask = await this.pinMask(theirs);
    const masked = await d.operands.masked(agreement, mask, () => this.fetchMasked(mask.id));
    const batchId = await d.dealers.createBatch(agreement, mask.id, records);
    await d.fleet.ask({
      $case: "recordBatch",
      value: { batchId, agreementDigest: agreement.digest, records, party: fleet.Party.PARTY_CLIENT, traceparent },
    });
    const part = await d.dealers.fetchPart(agreement, mask.id, batchId, records);
    if (this.#ended) {
      part.correlations.close();
      throw this.#ended;
    }
    this.#stream.write(encodeRequest({ $case: "batch", value: { batchId, fingerprint: part.fingerprint } }));
    this.#session = new ClientSession({
      plan: agreement.plan,
      records,
      masked,
      correlations: part.correlations,
      channel: this.#channel,
    });
    await within(this.#session.prepare(), 4 * d.timeoutMs, () => this.close());
    const ready = (await this.#inbox.next("ready", 4 * d.timeoutMs)).value;
    if (!ready.fingerprint.equals(part.fingerprint))
      throw new ParleyError(
        Code.ABORTED,
        "BATCH_DIFFERS",
        "the two parts are not of one batch",
        "Retried with a new batch.",
      );
  }

  /** The mask that the model owner states: it must follow from the agreement, and be the one that this organisation pinned. */
  private async pinMask({
    maskId,
    maskNonce,
    maskedWeightsDigest,
  }: peer.Hello): Promise<NonNullable<WorkingAgreement["mask"]>> {
    const { agreement, d } = this;
    if (maskNonce.length !== 16 || maskedWeightsDigest.length !== 32)
      throw new ParleyError(
        Code.FAILED_PRECONDITION,
        "HELLO_DIFFERS",
        "the model owner states no mask",
        "Its access point is not ready yet.",
        { field: "maskId" },
      );
    const commitment = Buffer.from(agreement.terms.asset.commitment, "hex");
    if (!maskId.equals(computeMaskId(agreement.planDigest, commitment, agreement.digest, maskNonce)))
      throw new ParleyError(
        Code.FAILED_PRECONDITION,
        "HELLO_DIFFERS",
        "the two workers differ in: mask id",
        "The mask is not one of this agreement's model.",
        { field: "maskId" },
      );
    const mask = { id: maskId, nonce: maskNonce, digest: maskedWeightsDigest };
    if (!agreement.mask) {
      await d.fleet.ask({
        $case: "pinMask",
        value: { agreementDigest: agreement.digest, maskId, maskNonce, maskedWeightsDigest },
      });
      d.agreements.setMask(agreement.id, mask);
    }
    return mask;
  }

  private async *fetchMasked(maskId: Buffer) {
    const { org, bundle } = this.agreement.partner;
    const credentials = mutualChannelCredentials(this.d.own, { org, role: "worker", bundle: () => bundle });
    const client = createClient(peer.PeerServiceService, {
      address: this.endpoint,
      credentials,
      options: STREAM_OPTIONS,
    });
    const abort = new AbortController();
    const request = { agreementDigest: this.agreement.digest, maskId };
    const stream = client.getMaskedWeights(request, { signal: abort.signal })[Symbol.asyncIterator]();
    // All later sessions of the mask wait for this: a worker that stalls must not hold them.
    const next = () => within(stream.next(), this.d.timeoutMs, () => abort.abort());
    try {
      for (let piece = await next(); !piece.done; piece = await next()) yield piece.value;
    } finally {
      abort.abort();
      client.close();
    }
  }

  /** SHA-256 of the leaf that the server presented in this connection's handshake. */
  private async serverCertificate(): Promise<Buffer> {
    await new Promise<void>((resolve, reject) =>
      this.#client.waitForReady(Date.now() + Math.min(this.d.timeoutMs, CONNECT_MS), (error) =>
        error
          ? reject(
              new ParleyError(
                Code.UNAVAILABLE,
                "PEER_UNREACHABLE",
                `no worker of ${this.agreement.partner.org} is reached at ${this.endpoint}`,
                "Check that the partner's workers run and that the network lets you through.",
                {},
                { cause: error },
              ),
            )
          : resolve(),
      ),
    );
    if (!this.#leaf) throw new Error("a handshake that passed told its leaf");
    return thumbprintOf(this.#leaf);
  }

  private take(data: Buffer) {
    try {
      const message = decodeResponse(data);
      if ("control" in message) this.#inbox.put(message.control);
      else if (this.#channel) this.#channel.accept(message.frame);
      else throw new RangeError("a share came before the Hello");
    } catch (error) {
      this.end(sessionFailure(error));
    }
  }

  private end(error: Error) {
    if (this.#ended) return;
    this.#ended = error;
    this.#inbox.fail(error);
    this.#channel?.ended(error);
    this.#session?.destroy();
    this.#stream.cancel();
    this.#client.close();
    this.#onEnd();
  }
}
