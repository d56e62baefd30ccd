import { ExpandedPart } from "@parley/correlation";
import { Code, ParleyError, dealer, type ServiceClient } from "@parley/proto";
import { connect, type CertificateHolder } from "@parley/service-kit";
import { createHash } from "node:crypto";
import type { WorkingAgreement } from "../models/agreement.js";
import { within } from "../session/within.js";

type DealerClient = ServiceClient<typeof dealer.DealerServiceService>;

/** A party's part of one batch. */
export interface FetchedPart {
  readonly fingerprint: Buffer;
  readonly correlations: ExpandedPart;
}

const incomplete = (what: string) =>
  new ParleyError(Code.ABORTED, "PART_INVALID", `the dealer's part ${what}`, "Retried with a new batch.");

/** The pieces of a part; given up as a whole when its reader stops. */
class Corrections implements AsyncIterableIterator<Uint8Array> {
  #ended = false;

  constructor(
    private first: Uint8Array,
    private readonly more: () => Promise<IteratorResult<dealer.FetchPartResponse>>,
    private readonly giveUp: () => void,
  ) {}

  [Symbol.asyncIterator]() {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#ended) return { done: true, value: undefined };
    if (this.first.length > 0) {
      const value = this.first;
      this.first = new Uint8Array(0);
      return { done: false, value };
    }
    const next = await this.more();
    return next.done ? { done: true, value: undefined } : { done: false, value: next.value.chunk };
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#ended = true;
    this.giveUp();
    return { done: true, value: undefined };
  }
}

/** The dealers of the agreements, each under the bundle that its agreement pins. Never retries: a lost answer is a lost batch. */
export class DealerLink {
  readonly #clients = new Map<string, DealerClient>();

  constructor(
    private readonly own: CertificateHolder,
    private readonly timeoutMs: number,
  ) {}

  async createBatch(agreement: WorkingAgreement, maskId: Buffer, records: number): Promise<Buffer> {
    return (await this.client(agreement).createBatch({ maskId, records })).batchId;
  }

  /** This party's part. The corrections stream on while the session reads them. */
  async fetchPart(agreement: WorkingAgreement, maskId: Buffer, batchId: Buffer, records: number): Promise<FetchedPart> {
    const abort = new AbortController();
    const stream = this.client(agreement).fetchPart({ batchId }, { signal: abort.signal })[Symbol.asyncIterator]();
    // A dealer that stalls must not hold a session, nor a session that ends the dealer's call.
    const next = () => within(stream.next(), this.timeoutMs, () => abort.abort());
    try {
      const first = await next();
      if (first.done) throw incomplete("is empty");
      const head = first.value;
      if (head.key.length !== 32 || head.fingerprint.length !== 16) throw incomplete("has no key");
      if (head.records !== records || !head.maskId.equals(maskId)) throw incomplete("is for another run");
      const corrections = new Corrections(head.chunk, next, () => abort.abort());
      if (head.correctionBytes === 0n) abort.abort();
      return { fingerprint: head.fingerprint, correlations: new ExpandedPart({ key: head.key, corrections }) };
    } catch (error) {
      abort.abort();
      throw error;
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  private client({ dealer: { org, bundle }, dealerAddress }: WorkingAgreement): DealerClient {
    const key = `${dealerAddress} ${createHash("sha256").update(Buffer.concat(bundle)).digest("hex")}`;
    const known = this.#clients.get(key);
    if (known) return known;
    const server = { org, role: "dealer", bundle: () => bundle };
    const client = connect(dealer.DealerServiceService, { address: dealerAddress, own: this.own, server });
    this.#clients.set(key, client);
    return client;
  }
}
