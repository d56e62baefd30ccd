import { Client, type ClientDuplexStream } from "@grpc/grpc-js";
import { schedule } from "@parley/plan";
import { Code, ParleyError, fromServiceError, peer } from "@parley/proto";
import { mutualChannelCredentials, thumbprintOf, type CertificateHolder } from "@parley/service-kit";
import type { TestOrganisation } from "@parley/service-kit/testing";
import { randomBytes } from "node:crypto";
import type { WorkingAgreement } from "../models/agreement.js";
import { decodeResponse, encodeFrame, encodeRequest, type ResponseControl } from "../peer/frame-codec.js";
import { makeHello } from "../session/hello.js";

const asIs = (value: Buffer) => value;

/** P1's end of a session that says whatever a test wants. */
export class RawPeer {
  /** Control messages and frames as they came. */
  readonly received: (ResponseControl["$case"] | "frame")[] = [];
  /** Frames with their heads, as they came. */
  readonly frames: Buffer[] = [];
  /** How the session ended. */
  readonly ended: Promise<ParleyError>;
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  readonly #client: Client;
  #leaf: Buffer = Buffer.alloc(0);
  #news: () => void = () => {};
  #over = false;

  constructor(
    endpoint: string,
    partner: TestOrganisation,
    private readonly own: CertificateHolder,
  ) {
    const expected = { org: partner.id, role: "worker", bundle: () => partner.bundle };
    const credentials = mutualChannelCredentials(own, { ...expected, onLeaf: (der) => (this.#leaf = der) });
    this.#client = new Client(endpoint, credentials, { "grpc.use_local_subchannel_pool": 1, "grpc.enable_retries": 0 });
    this.#stream = this.#client.makeBidiStreamRequest(peer.PeerServiceService.session.path, asIs, asIs);
    this.#stream.on("data", (message: Buffer) => {
      const decoded = decodeResponse(message);
      this.received.push("control" in decoded ? decoded.control.$case : "frame");
      if ("frame" in decoded) this.frames.push(decoded.frame);
      this.#news();
    });
    this.ended = new Promise((resolve) => {
      const end = (error: ParleyError) => {
        this.#over = true;
        resolve(error);
        this.#news();
      };
      this.#stream.on("error", (error) => end(fromServiceError(error)));
      this.#stream.on("end", () => end(new ParleyError(Code.OK, "", "ended without an error")));
    });
  }

  /** Resolves when the connection is up. @throws Error where TLS refuses */
  ready(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#client.waitForReady(Date.now() + 3_000, (error) => (error ? reject(error) : resolve())),
    );
  }

  send(message: Buffer): this {
    this.#stream.write(message);
    return this;
  }

  /** The Hello of an honest worker, with changes. */
  async hello(agreement: WorkingAgreement, changes: Partial<peer.Hello> = {}): Promise<this> {
    await this.ready();
    const honest = makeHello({
      agreement,
      party: 1,
      certificate0: thumbprintOf(this.#leaf),
      certificate1: thumbprintOf(this.own.leaf),
      records: 1,
      schedule: schedule(agreement.plan, 1),
      traceparent: "",
    });
    return this.send(encodeRequest({ $case: "hello", value: { ...honest, ...changes } }));
  }

  batch(batchId: Buffer, fingerprint: Buffer): this {
    return this.send(encodeRequest({ $case: "batch", value: { batchId, fingerprint, traceparent: "" } }));
  }

  /** Random bytes in place of this party's offline shares: shares look like that. */
  offlineShares({ plan }: WorkingAgreement): this {
    for (const { step, phase, from, bytes, trailer } of schedule(plan, 1).messages)
      if (phase === "offline" && from === 1) this.send(encodeFrame(step, 0, randomBytes(bytes + trailer)));
    return this;
  }

  /** Resolves when a message of that kind has come, or the session has ended. */
  async until(kind: ResponseControl["$case"] | "frame"): Promise<this> {
    while (!this.#over && !this.received.includes(kind)) await new Promise<void>((resolve) => (this.#news = resolve));
    if (this.received.includes(kind)) return this;
    throw await this.ended;
  }

  /** Half-closes the stream. */
  end(): this {
    this.#stream.end();
    return this;
  }

  /** Breaks off as a process that dies. */
  kill(): void {
    this.#stream.cancel();
    this.#client.close();
  }
}
