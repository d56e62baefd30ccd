import { ExpandedPart } from "@parley/correlation";
import { Code, ParleyError, dealer, type ServiceClient } from "@parley/proto";
import { RENEW_MS, connect, count, type CertificateHolder } from "@parley/service-kit";
import { createHash } from "node:crypto";
import type { WorkingAgreement } from "../models/agreement.js";
import { within } from "../session/within.js";
import { PartMemory } from "./part-memory.js";

/** A dealer under load may take so long. */
const LEAST_ANSWER_MS = 5_000;

type Piece = IteratorResult<dealer.FetchPartsResponse>;
type DealerClient = ServiceClient<typeof dealer.DealerServiceService>;

/** A party's part of one batch. */
export interface FetchedPart {
  readonly fingerprint: Buffer;
  readonly correlations: ExpandedPart;
}

const incomplete = (what: string) =>
  new ParleyError(Code.ABORTED, "PART_INVALID", `the dealer's part ${what}`, "Retried with a new batch.");

/** Nobody answers: refused, or swallowed by a network that drops packets, or a dealer that hangs. */
const AWAY: readonly Code[] = [Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED];

/** Told apart from a partner that is away; before a run is bound it costs nothing but time. */
const telling = (error: unknown): never => {
  if (!(error instanceof ParleyError) || !AWAY.includes(error.code)) throw error;
  count("parley.peer.unreachable", { organisation: "dealer" });
  const message = `the dealer gives no answer: ${error.message}`;
  throw new ParleyError(Code.UNAVAILABLE, "DEALER_UNREACHABLE", message, error.hint, {}, { cause: error });
};

/** The pieces of a part; given up as a whole when its reader stops. */
class Corrections implements AsyncIterableIterator<Uint8Array> {
  #ended = false;

  constructor(
    private readonly more: () => Promise<Piece>,
    private readonly giveUp: () => void,
  ) {}

  [Symbol.asyncIterator]() {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#ended) return { done: true, value: undefined };
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
  readonly #memory = new PartMemory();

  constructor(
    private readonly own: CertificateHolder,
    private readonly timeoutMs: number,
    /** For new batches: less than the partner's patience, or the partner gives up first and gets the blame. */
    private readonly answerMs = Math.max(LEAST_ANSWER_MS, timeoutMs / 2),
  ) {}

  async createBatches(
    agreement: WorkingAgreement,
    maskId: Buffer,
    records: number,
    batches: number,
  ): Promise<readonly Buffer[]> {
    const request = { maskId, records, count: batches };
    const { batchIds } = await this.client(agreement)
      .createBatches(request, { timeoutMs: this.answerMs })
      .catch(telling);
    if (batchIds.length !== batches) throw incomplete(`is for ${batchIds.length} batches of ${batches}`);
    return batchIds;
  }

  /** This party's parts. Of a single batch the corrections stream on while the session reads them; of several they are held. */
  async fetchParts(
    agreement: WorkingAgreement,
    maskId: Buffer,
    batchIds: readonly Buffer[],
    records: number,
  ): Promise<FetchedPart[]> {
    const abort = new AbortController();
    const request = { batchIds: [...batchIds] };
    const stream = this.client(agreement).fetchParts(request, { signal: abort.signal })[Symbol.asyncIterator]();
    // A dealer that stalls must not hold a session, nor a session that ends the dealer's call.
    const next = () => within(stream.next().catch(telling), this.timeoutMs, () => abort.abort());
    try {
      const first = await next();
      if (first.done) throw incomplete("is empty");
      const { parts, correctionBytes, ...head } = first.value;
      if (parts.length !== batchIds.length) throw incomplete("lacks a batch");
      if (parts.some(({ key, fingerprint }) => key.length !== 32 || fingerprint.length !== 16))
        throw incomplete("has no key");
      if (head.records !== records || !head.maskId.equals(maskId)) throw incomplete("is for another run");
      const bytes = Number(correctionBytes);
      if (bytes === 0) abort.abort();
      if (parts.length === 1) return [part(parts[0], new Corrections(next, () => abort.abort()))];
      const held = await this.collect(next, parts.length, bytes);
      return parts.map((each, i) => part(each, this.#memory.held(held[i])));
    } catch (error) {
      abort.abort();
      throw error;
    }
  }

  private async collect(next: () => Promise<Piece>, count: number, bytes: number): Promise<Uint8Array[]> {
    const parts = Array.from({ length: count }, () => this.#memory.take(bytes));
    try {
      await fill(parts, next);
      return parts;
    } catch (error) {
      parts.forEach((each) => this.#memory.giveBack(each));
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
    const settings = { address: dealerAddress, own: this.own, server, renewMs: RENEW_MS };
    const client = connect(dealer.DealerServiceService, settings);
    this.#clients.set(key, client);
    return client;
  }
}

const part = (
  { key, fingerprint }: dealer.PartKey,
  corrections: ConstructorParameters<typeof ExpandedPart>[0]["corrections"],
) => ({
  fingerprint,
  correlations: new ExpandedPart({ key, corrections }),
});

/** Fills the parts one after the other. @throws ParleyError where more or fewer bytes come */
async function fill(parts: readonly Uint8Array[], next: () => Promise<Piece>): Promise<void> {
  const waiting = parts.filter(({ length }) => length > 0);
  let room = waiting.shift();
  for (let piece = room && (await next()); piece && !piece.done; piece = await next()) {
    const { chunk } = piece.value;
    for (let at = 0; at < chunk.length;) {
      if (!room) throw incomplete("is too long");
      const some = chunk.subarray(at, at + room.length);
      room.set(some);
      at += some.length;
      room = some.length < room.length ? room.subarray(some.length) : waiting.shift();
    }
    chunk.fill(0);
  }
  if (room) throw incomplete("is too short");
}
