import { ExpandedPart } from "@parley/correlation";
import { Code, ParleyError, dealer, type ServiceClient } from "@parley/proto";
import { connect, type CertificateHolder } from "@parley/service-kit";
import { createHash } from "node:crypto";
import type { WorkingAgreement } from "../models/agreement.js";

type DealerClient = ServiceClient<typeof dealer.DealerServiceService>;

/** A party's part of one batch. */
export interface FetchedPart {
  readonly fingerprint: Buffer;
  readonly correlations: ExpandedPart;
}

const incomplete = (what: string) =>
  new ParleyError(Code.ABORTED, "PART_INVALID", `the dealer's part ${what}`, "Retried with a new batch.");

/** The dealers of the agreements, each under the bundle that its agreement pins. Never retries: a lost answer is a lost batch. */
export class DealerLink {
  readonly #clients = new Map<string, DealerClient>();

  constructor(private readonly own: CertificateHolder) {}

  async createBatch(agreement: WorkingAgreement, maskId: Buffer, records: number): Promise<Buffer> {
    return (await this.client(agreement).createBatch({ maskId, records })).batchId;
  }

  /** This party's part. The corrections stream on while the session reads them. */
  async fetchPart(agreement: WorkingAgreement, maskId: Buffer, batchId: Buffer, records: number): Promise<FetchedPart> {
    const stream = this.client(agreement).fetchPart({ batchId })[Symbol.asyncIterator]();
    const first = await stream.next();
    if (first.done) throw incomplete("is empty");
    const head = first.value;
    if (head.key.length !== 32 || head.fingerprint.length !== 16) throw incomplete("has no key");
    if (head.records !== records || !head.maskId.equals(maskId)) throw incomplete("is for another run");
    const corrections = (async function* () {
      if (head.chunk.length) yield head.chunk;
      for (let next = await stream.next(); !next.done; next = await stream.next()) yield next.value.chunk;
    })();
    return { fingerprint: head.fingerprint, correlations: new ExpandedPart({ key: head.key, corrections }) };
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
