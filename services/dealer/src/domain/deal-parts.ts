import { correctionBytes, deriveBatch, type BatchKeys } from "@parley/correlation";
import { cost } from "@parley/plan";
import { Code, ParleyError, type dealer } from "@parley/proto";
import { count, isMetering, startSpan, type Span } from "@parley/service-kit";
import type { GivenParts } from "../store/ledger.js";
import type { Dealings } from "./dealings.js";
import { periodName } from "./keys.js";
import { Pieces } from "./pieces.js";
import type { Sealing } from "./sealing.js";

const EMPTY = Buffer.alloc(0);

export const notGiven = () =>
  new ParleyError(
    Code.FAILED_PRECONDITION,
    "PART_REFUSED",
    "the part is not given: the batch is unknown, expired or voided, for another organisation, or its part was given before",
    "Take a new batch. A part is never given twice.",
  );

/** A stream that stops early must not look complete. */
export const cutShort = () =>
  new ParleyError(
    Code.UNAVAILABLE,
    "STREAM_CUT_SHORT",
    "the dealer ended the stream before its last byte",
    "What was not received is lost; take a new batch or mask.",
  );

interface Deal {
  readonly sealing: Sealing;
  readonly dealings: Dealings;
}

/** The bytes of one organisation's parts. The ledger has committed that they are given. */
export async function* dealParts(
  d: Deal,
  given: GivenParts,
  party: 0 | 1,
  signal: AbortSignal,
): AsyncGenerator<dealer.FetchPartsResponse> {
  const { batches, mask } = given;
  const span = startSpan("parley.dealer.deal", {
    organisation: party === 0 ? mask.org0 : mask.org1,
    party: `p${party}`,
    "parley.batches": batches.length,
    "parley.records": batches[0].records,
  });
  count("parley.dealer.batches", { outcome: "dealt" }, batches.length);
  let outcome = "failed"; // also where the caller goes away
  try {
    for await (const piece of parts(d, given, party, signal, span)) {
      if (party === 0) outcome = "dealt"; // there is no more for it
      yield piece;
    }
    outcome = "dealt";
  } finally {
    span.set({ outcome });
    if (outcome === "failed") span.fail("STREAM_CUT_SHORT");
    span.end();
  }
}

async function* parts(
  d: Deal,
  { batches, mask, period }: GivenParts,
  party: 0 | 1,
  signal: AbortSignal,
  span: Span<"parley.dealer.deal">,
): AsyncGenerator<dealer.FetchPartsResponse> {
  if (!period.sealed) throw notGiven();
  const periodKey = d.sealing.open(period.sealed, periodName(period.id));
  const { id: maskId, planDigest, key0: org0, key1: org1 } = mask;
  const keys = batches.map(({ id: batchId, records }) =>
    deriveBatch(periodKey, { maskId, planDigest, batchId, records, org0, org1 }),
  );
  periodKey.fill(0);
  const { dealing, done } = d.dealings.use(mask);
  try {
    const [{ records }] = batches;
    const total = party === 0 ? 0 : correctionBytes(dealing.plan, records);
    span.set({ "parley.bytes.sent": total * batches.length });
    if (party === 1 && isMetering())
      count("parley.dealer.correlations", {}, batches.length * cost(dealing.plan, records).comparisons);
    const parts = keys.map(({ key0, key1, fingerprint }) => ({
      key: Buffer.from(party === 0 ? key0 : key1),
      fingerprint: Buffer.from(fingerprint),
    }));
    yield { parts, records, maskId: mask.id, correctionBytes: BigInt(total), chunk: EMPTY };
    if (party === 0) return;
    const pieces = new Pieces();
    for (const [index, batch] of keys.entries()) {
      for await (const chunk of dealing.corrections(batch, records)) {
        if (signal.aborted) throw cutShort();
        for (const piece of pieces.put(chunk)) yield message(piece);
        await new Promise((resolve) => setImmediate(resolve)); // other calls get their turn between pieces
      }
      erase(keys[index]);
    }
    for (const piece of pieces.rest()) yield message(piece);
  } finally {
    done();
    keys.forEach(erase);
  }
}

const message = (chunk: Buffer): dealer.FetchPartsResponse => ({
  parts: [],
  records: 0,
  maskId: EMPTY,
  correctionBytes: 0n,
  chunk,
});

const erase = (keys: BatchKeys) => [keys.key0, keys.key1, keys.dealerKey].forEach((key) => key.fill(0));
