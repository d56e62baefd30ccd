import { Client, type ClientDuplexStream } from "@grpc/grpc-js";
import { Code, ParleyError, createClient, peer, type ServiceClient } from "@parley/proto";
import { mutualChannelCredentials, thumbprintOf, type CertificateHolder } from "@parley/service-kit";
import type { WorkingAgreement } from "../models/agreement.js";
import { STREAM_OPTIONS } from "./stream-options.js";

/** An address where nobody answers is given up soon: there may be others. */
const CONNECT_MS = 5_000;
const asIs = (value: Buffer) => value;

/** One HTTP/2 connection to a worker of a model owner, under the keys that an agreement pins. Its sessions are streams on it. */
export class PartnerConnection {
  readonly #client: Client;
  readonly #service: ServiceClient<typeof peer.PeerServiceService>;
  /** Own certificate as it was when the connection was made. */
  readonly ownCertificate: Buffer;
  #leaf: Buffer | undefined;
  #streams = 0;
  #given = false;

  constructor(
    own: CertificateHolder,
    private readonly agreement: WorkingAgreement,
    private readonly endpoint: string,
  ) {
    const { org, bundle } = agreement.partner;
    this.ownCertificate = thumbprintOf(own.leaf);
    const credentials = mutualChannelCredentials(own, {
      org,
      role: "worker",
      bundle: () => bundle,
      onLeaf: (der) => (this.#leaf = der),
    });
    this.#client = new Client(endpoint, credentials, STREAM_OPTIONS);
    this.#service = createClient(peer.PeerServiceService, { address: endpoint, credentials, options: STREAM_OPTIONS });
  }

  /** SHA-256 of the leaf that the server presented. @throws ParleyError UNAVAILABLE */
  async serverCertificate(timeoutMs: number): Promise<Buffer> {
    await new Promise<void>((resolve, reject) =>
      this.#client.waitForReady(Date.now() + Math.min(timeoutMs, CONNECT_MS), (error) =>
        error ? reject(this.unreachable(error)) : resolve(),
      ),
    );
    if (!this.#leaf) throw new Error("a handshake that passed told its leaf");
    return thumbprintOf(this.#leaf);
  }

  /** Opens a stream; {@link release} is called when it has ended. */
  open(): ClientDuplexStream<Buffer, Buffer> {
    this.#streams++;
    return this.#client.makeBidiStreamRequest(peer.PeerServiceService.session.path, asIs, asIs);
  }

  /** The masked weights, in pieces. */
  maskedWeights(maskId: Buffer, signal: AbortSignal): AsyncIterable<peer.GetMaskedWeightsResponse> {
    return this.#service.getMaskedWeights({ agreementDigest: this.agreement.digest, maskId }, { signal });
  }

  release(): void {
    this.#streams--;
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

  private unreachable(cause: Error) {
    return new ParleyError(
      Code.UNAVAILABLE,
      "PEER_UNREACHABLE",
      `no worker of ${this.agreement.partner.org} is reached at ${this.endpoint}`,
      "Check that the partner's workers run and that the network lets you through.",
      {},
      { cause },
    );
  }
}

/** Connections to partners' workers: one for each agreement, endpoint and own certificate. */
export class PartnerConnections {
  readonly #open = new Map<string, PartnerConnection>();

  constructor(private readonly own: CertificateHolder) {}

  to(agreement: WorkingAgreement, endpoint: string): PartnerConnection {
    const key = `${agreement.id} ${endpoint}`;
    const known = this.#open.get(key);
    if (known?.ownCertificate.equals(thumbprintOf(this.own.leaf))) return known;
    known?.giveUp();
    const connection = new PartnerConnection(this.own, agreement, endpoint);
    this.#open.set(key, connection);
    return connection;
  }

  /** A connection that failed: the next stream gets a new one at once, without waiting for a reconnection. */
  discard(connection: PartnerConnection): void {
    for (const [key, open] of this.#open) if (open === connection) this.#open.delete(key);
    connection.giveUp();
  }

  /** Those of an agreement that ended. */
  end(agreementId: string): void {
    for (const [key, open] of this.#open) if (key.startsWith(`${agreementId} `)) this.discard(open);
  }

  close(): void {
    for (const connection of [...this.#open.values()]) this.discard(connection);
  }
}
