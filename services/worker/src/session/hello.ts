import type { Schedule } from "@parley/plan";
import { Code, ParleyError, peer } from "@parley/proto";
import { createHash, randomBytes } from "node:crypto";
import type { WorkingAgreement } from "../models/agreement.js";

/** Version of protocol and layout. */
const VERSION = 1;

/** SHA-256 over the schedule: step numbers, phases, directions, exact byte lengths. */
export function scheduleDigest(schedule: Schedule): Buffer {
  const hash = createHash("sha256").update("parley/v1/schedule");
  for (const { step, phase, from, bytes, trailer } of schedule.messages)
    hash.update(`${step} ${phase} ${from} ${bytes} ${trailer}\n`);
  return hash.digest();
}

export interface HelloParts {
  readonly agreement: WorkingAgreement;
  readonly party: 0 | 1;
  readonly certificate0: Buffer;
  readonly certificate1: Buffer;
  readonly records: number;
  readonly schedule: Schedule;
  readonly traceparent: string;
}

export function makeHello(parts: HelloParts): peer.Hello {
  const { agreement, party, certificate0, certificate1, records, schedule, traceparent } = parts;
  const { mask } = agreement;
  return {
    version: VERSION,
    party,
    nonce: randomBytes(16),
    certificate0,
    certificate1,
    agreementDigest: agreement.digest,
    maskId: mask?.id ?? Buffer.alloc(0),
    maskNonce: mask?.nonce ?? Buffer.alloc(0),
    maskedWeightsDigest: mask?.digest ?? Buffer.alloc(0),
    planDigest: agreement.planDigest,
    records,
    scheduleDigest: scheduleDigest(schedule),
    traceparent,
  };
}

const FIELDS = [
  "version",
  "certificate0",
  "certificate1",
  "agreementDigest",
  "planDigest",
  "records",
  "scheduleDigest",
] as const;
const MASK_FIELDS = ["maskId", "maskNonce", "maskedWeightsDigest"] as const;
const NAMES: Record<(typeof FIELDS)[number] | (typeof MASK_FIELDS)[number], string> = {
  version: "protocol version",
  certificate0: "certificate of the model owner's worker",
  certificate1: "certificate of the data owner's worker",
  agreementDigest: "agreement",
  planDigest: "plan",
  records: "number of records",
  scheduleDigest: "schedule of messages",
  maskId: "mask id",
  maskNonce: "nonce of the mask",
  maskedWeightsDigest: "digest of the masked weights D",
};

const differs = (field: keyof typeof NAMES) =>
  new ParleyError(
    Code.FAILED_PRECONDITION,
    "HELLO_DIFFERS",
    `the two workers differ in: ${NAMES[field]}`,
    "Both organisations must run under the same agreement, model and version.",
    { field },
  );

const same = (a: Buffer | number, b: Buffer | number) =>
  typeof a === "number" || typeof b === "number" ? a === b : a.equals(b);

/**
 * Compares the two Hellos, before any share is sent. P1 may not know the mask yet.
 * @throws ParleyError FAILED_PRECONDITION naming the field
 */
export function compareHellos(own: peer.Hello, theirs: peer.Hello): void {
  if (theirs.party !== 1 - own.party || theirs.nonce.length !== 16)
    throw new ParleyError(
      Code.FAILED_PRECONDITION,
      "HELLO_DIFFERS",
      "the two workers differ in: role",
      "A data owner's worker calls a model owner's.",
      { field: "party" },
    );
  for (const field of FIELDS) if (!same(own[field], theirs[field])) throw differs(field);
  const client = own.party === 1 ? own : theirs;
  if (client.maskId.length === 0) return;
  for (const field of MASK_FIELDS) if (!own[field].equals(theirs[field])) throw differs(field);
}

/** SHA-256 over both Hellos as sent, P1's first, and the batch: what a ticket is bound to. */
export const bindingDigest = (client: peer.Hello, server: peer.Hello, batchId: Buffer): Buffer =>
  createHash("sha256")
    .update(peer.Hello.encode(client).finish())
    .update(peer.Hello.encode(server).finish())
    .update(batchId)
    .digest();
