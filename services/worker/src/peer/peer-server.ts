import {
  Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { Code, ParleyError, peer, probe, toServiceError } from "@parley/proto";
import {
  answerEcho,
  authenticatePeer,
  count,
  knownReason,
  mutualServerCredentials,
  type CertificateHolder,
  type Logger,
  type TrustStore,
} from "@parley/service-kit";
import { sessionFailure } from "../session/failure.js";
import { ServerParty, type PartyDependencies } from "../session/server-party.js";
import { decodeRequest } from "./frame-codec.js";
import { STREAM_OPTIONS } from "./stream-options.js";

const asIs = (value: Buffer) => value;
const SESSION = { ...peer.PeerServiceService.session, requestDeserialize: asIs, responseSerialize: asIs };
const MASKED = peer.PeerServiceService.getMaskedWeights;
const PIECE = 1 << 18;
/** Sessions of all partners at once; each agreement has its own, lower limit. */
const MAX_SESSIONS = 1024;
/** Of one partner, so that none can take the others' places. */
const MAX_PER_PARTNER = 256;

const draining = () =>
  new ParleyError(Code.UNAVAILABLE, "DRAINING", "the worker is shutting down", "Retried with another worker.");

type Stream = ServerDuplexStream<Buffer, Buffer>;

/** Serves sessions to workers of data owners. Frames are not decoded by generated code: they stay bytes. */
export class PeerServer {
  readonly #server = new Server(STREAM_OPTIONS);
  readonly #open = new Map<Stream, ServerParty>();
  #draining = false;

  constructor(
    private readonly own: CertificateHolder,
    private readonly trust: TrustStore,
    private readonly parties: PartyDependencies,
    private readonly logger: Logger,
  ) {
    this.#server.addService(
      { session: SESSION, getMaskedWeights: MASKED },
      {
        session: (stream: Stream) => void this.session(stream),
        getMaskedWeights: (call: ServerWritableStream<peer.GetMaskedWeightsRequest, peer.GetMaskedWeightsResponse>) =>
          void this.masked(call),
      },
    );
    this.#server.addService(probe.ProbeServiceService, {
      echo: (call: ServerUnaryCall<probe.EchoRequest, probe.EchoResponse>, done: sendUnaryData<probe.EchoResponse>) =>
        this.echo(call, done),
    });
    parties.agreements.onEnd((id) => {
      for (const party of this.#open.values())
        if (party.agreementId === id)
          party.end(
            new ParleyError(
              Code.FAILED_PRECONDITION,
              "AGREEMENT_ENDED",
              "the agreement was revoked or has expired",
              "Make a new agreement.",
            ),
          );
    });
  }

  async listen(address: string): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#server.bindAsync(address, mutualServerCredentials(this.own, this.trust), (error, port) =>
        error ? reject(new Error(`cannot listen on ${address}: ${error.message}`, { cause: error })) : resolve(port),
      ),
    );
  }

  /** Sessions under way, prepared ones with them. */
  get sessions(): number {
    return this.#open.size;
  }

  /** Takes no new session, ends those that are not bound now, and the others with their run. */
  drain(): void {
    this.#draining = true;
    for (const party of this.#open.values()) party.endAfterRun(draining());
  }

  close(): void {
    for (const party of this.#open.values()) party.end(draining());
    this.#server.forceShutdown();
  }

  private async session(stream: Stream) {
    let party: ServerParty | undefined;
    try {
      const caller = authenticatePeer(stream.getAuthContext()?.sslPeerCertificate?.raw, this.trust);
      if (this.#draining) throw draining();
      const ofPartner = [...this.#open.values()].filter((open) => open.org === caller.org).length;
      if (this.#open.size >= MAX_SESSIONS || ofPartner >= MAX_PER_PARTNER)
        throw new ParleyError(
          Code.RESOURCE_EXHAUSTED,
          "TOO_MANY_SESSIONS",
          "this worker holds as many sessions as it can",
          "Try again later, or add workers.",
        );
      const sink = { write: (message: Buffer) => void stream.write(message), end: () => {} };
      const serving = (party = new ServerParty(this.parties, sink, caller));
      this.#open.set(stream, serving);
      stream.on("data", (message: Buffer) => {
        try {
          serving.take(decodeRequest(message));
        } catch (error) {
          serving.end(sessionFailure(error));
        }
      });
      const gone = (why: string) =>
        serving.end(new ParleyError(Code.CANCELLED, "PEER_GONE", why, "Its batch is dead."));
      stream.on("cancelled", () => gone("the data owner's worker has gone"));
      stream.on("error", () => gone("the stream broke"));
      stream.on("end", () => gone("the data owner's worker has ended the session"));
      await serving.serve();
      stream.end();
    } catch (error) {
      const failure = sessionFailure(error);
      party?.end(failure);
      if (failure.code !== Code.CANCELLED && !party?.idle)
        count("parley.session.ended", { party: "p0", outcome: "failed", reason: knownReason(failure.reason) });
      if (failure.code !== Code.CANCELLED)
        this.logger.info(
          { code: Code[failure.code], reason: failure.reason, agreement: party?.agreementId },
          "a session ended",
        );
      stream.emit("error", toServiceError(failure));
    } finally {
      this.#open.delete(stream);
    }
  }

  private echo(call: ServerUnaryCall<probe.EchoRequest, probe.EchoResponse>, done: sendUnaryData<probe.EchoResponse>) {
    try {
      authenticatePeer(call.getAuthContext()?.sslPeerCertificate?.raw, this.trust);
      done(null, answerEcho(call.request));
    } catch (error) {
      done(toServiceError(sessionFailure(error)));
    }
  }

  private async masked(call: ServerWritableStream<peer.GetMaskedWeightsRequest, peer.GetMaskedWeightsResponse>) {
    try {
      const caller = authenticatePeer(call.getAuthContext()?.sslPeerCertificate?.raw, this.trust);
      const agreement = this.parties.agreements.get(call.request.agreementDigest.toString("hex"));
      if (
        !agreement ||
        agreement.party !== 0 ||
        agreement.partner.org !== caller.org ||
        caller.role !== "worker" ||
        !agreement.mask?.id.equals(call.request.maskId)
      )
        throw new ParleyError(
          Code.PERMISSION_DENIED,
          "NO_AGREEMENT",
          "there is no active agreement of yours with that mask here",
          "Open a session first.",
        );
      const bytes = await this.parties.operands.stored(agreement, agreement.mask);
      for (let at = 0; at < bytes.length && !call.cancelled; at += PIECE)
        if (!call.write({ chunk: bytes.subarray(at, at + PIECE) }))
          await new Promise(
            (resolve) => (call.once("drain", resolve), call.once("close", resolve), call.once("cancelled", resolve)),
          );
      call.end();
    } catch (error) {
      call.emit("error", toServiceError(sessionFailure(error)));
    }
  }
}
