import { Client, connectivityState, type ClientDuplexStream } from "@grpc/grpc-js";
import { Code, ParleyError, createClient, peer, type ServiceClient } from "@parley/proto";
import { mutualChannelCredentials, thumbprintOf, type CertificateHolder } from "@parley/service-kit";
import { isIP } from "node:net";
import type { WorkingAgreement } from "../models/agreement.js";
import { hostOf, type Address } from "./addresses.js";
import { STREAM_OPTIONS } from "./stream-options.js";

const asIs = (value: Buffer) => value;

/** The name in the endpoint is whom the certificate must be for, whatever address was found under it. */
const optionsFor = ({ endpoint, dial }: Address) =>
  dial === endpoint || isIP(hostOf(endpoint))
    ? STREAM_OPTIONS
    : {
        ...STREAM_OPTIONS,
        "grpc.ssl_target_name_override": hostOf(endpoint),
        "grpc.default_authority": endpoint,
      };

/**
 * One HTTP/2 connection to one worker of a model owner, under the keys that an agreement pins. Its sessions are streams on it:
 * they state the certificates of both ends, so that it must never lead to another worker.
 */
export class PartnerConnection {
  readonly #client: Client;
  readonly #service: ServiceClient<typeof peer.PeerServiceService>;
  /** Own certificate as it was when the connection was made. */
  readonly ownCertificate: Buffer;
  #leaf: Buffer | undefined;
  #streams = 0;
  #given = false;

  /** @param onCount told how many streams were begun (1) or ended (-1) */
  constructor(
    own: CertificateHolder,
    private readonly agreement: WorkingAgreement,
    readonly address: Address,
    private readonly onCount: (change: 1 | -1) => void,
  ) {
    const { org, bundle } = agreement.partner;
    this.ownCertificate = thumbprintOf(own.leaf);
    const server = { org, role: "worker", bundle: () => bundle };
    const credentials = mutualChannelCredentials(own, { ...server, onLeaf: (der) => (this.#leaf = der) });
    const options = optionsFor(address);
    this.#client = new Client(address.dial, credentials, options);
    // A connection of its own, which a load balancer may lead to another worker: its leaf is not that of the sessions.
    const apart = mutualChannelCredentials(own, server);
    this.#service = createClient(peer.PeerServiceService, { address: address.dial, credentials: apart, options });
  }

  /** Streams that are open or about to be. */
  get streams(): number {
    return this.#streams;
  }

  /** No stream is opened on it any more. */
  get given(): boolean {
    return this.#given;
  }

  /** SHA-256 of the leaf that the server presented; fails at once where the address refuses. @throws ParleyError UNAVAILABLE */
  async serverCertificate(timeoutMs: number): Promise<Buffer> {
    const until = Date.now() + timeoutMs;
    const channel = this.#client.getChannel();
    for (;;) {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) break;
      if (state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN || Date.now() >= until)
        throw unreachable(this.agreement, `at ${this.address.endpoint}`);
      await new Promise<void>((resolve) => channel.watchConnectivityState(state, until, () => resolve()));
    }
    if (!this.#leaf) throw new Error("a handshake that passed told its leaf");
    return thumbprintOf(this.#leaf);
  }

  /** A place for a stream; {@link release} is called when it has ended, or was not opened. */
  hold(): void {
    this.#streams++;
    this.onCount(1);
  }

  open(): ClientDuplexStream<Buffer, Buffer> {
    return this.#client.makeBidiStreamRequest(peer.PeerServiceService.session.path, asIs, asIs);
  }

  /** The masked weights, in pieces. */
  maskedWeights(maskId: Buffer, signal: AbortSignal): AsyncIterable<peer.GetMaskedWeightsResponse> {
    return this.#service.getMaskedWeights({ agreementDigest: this.agreement.digest, maskId }, { signal });
  }

  release(): void {
    this.#streams--;
    this.onCount(-1);
    if (this.#given && this.#streams <= 0) this.close();
  }

  /** No stream is opened on it any more; it closes with its last one. */
  giveUp(): void {
    this.#given = true;
    if (this.#streams <= 0) this.close();
  }

  private close() {
    this.#client.close();
    this.#service.close();
  }
}

export const unreachable = ({ partner }: WorkingAgreement, where: string): ParleyError =>
  new ParleyError(
    Code.UNAVAILABLE,
    "PEER_UNREACHABLE",
    `no worker of ${partner.org} is reached ${where}`,
    "Check that the partner's workers run and that the network lets you through.",
  );
