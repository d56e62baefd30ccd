import { createHash, createHmac } from "node:crypto";
import { checkWeights } from "./check-weights.js";
import { PlanError } from "./error.js";
import type { Plan } from "./plan.js";
import type { StepWeights, Weights } from "./weights.js";

/**
 * The vault's format, little-endian: "PARLEYW1"; u32 number of entries; per entry u32 step, u32 weights, u32 biases; then
 * for each entry its biases (int64), for each its weights (int32); last SHA-256 of all before. The digest finds damage; it
 * never leaves the vault.
 */
const MAGIC = new TextEncoder().encode("PARLEYW1");
const HEADER = MAGIC.length + 4;
const ENTRY = 12;
const DIGEST = 32;
const COMMITMENT_DOMAIN = "parley/v1/weights";

export function encodeWeights(weights: Weights): Uint8Array {
  const body = bodyBytes(weights);
  const bytes = new Uint8Array(body + DIGEST);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(MAGIC.length, weights.length, true);
  let at = HEADER;
  for (const { step, weights: w, bias } of weights) {
    [step, w.length, bias.length].forEach((value, i) => view.setUint32(at + 4 * i, value, true));
    at += ENTRY;
  }
  const append = (array: Int32Array | BigInt64Array): void => {
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
    at += array.byteLength;
  };
  for (const { bias } of weights) append(bias);
  for (const { weights: w } of weights) append(w);
  bytes.set(createHash("sha256").update(bytes.subarray(0, body)).digest(), body);
  return bytes;
}

function bodyBytes(weights: Weights): number {
  return weights.reduce((sum, { weights: w, bias }) => sum + ENTRY + w.byteLength + bias.byteLength, HEADER);
}

/** @throws PlanError MALFORMED_WEIGHTS for damaged bytes, WEIGHTS_DO_NOT_FIT where they belong to another plan */
export function decodeWeights(bytes: Uint8Array, plan: Plan): Weights {
  const refuse = (problem: string): never => {
    throw new PlanError("MALFORMED_WEIGHTS", `the stored weights are damaged: ${problem}`, "Publish the model again.");
  };
  const body = bytes.length - DIGEST;
  if (body < HEADER || MAGIC.some((byte, i) => bytes[i] !== byte)) return refuse("no header of this version");
  const digest = createHash("sha256").update(bytes.subarray(0, body)).digest();
  if (!digest.equals(bytes.subarray(body))) return refuse("the digest differs");
  const view = new DataView(bytes.buffer, bytes.byteOffset, body);
  const count = view.getUint32(MAGIC.length, true);
  if (HEADER + ENTRY * count > body) return refuse("truncated");
  const lengths = Array.from({ length: count }, (_, i) =>
    [0, 4, 8].map((field) => view.getUint32(HEADER + ENTRY * i + field, true)),
  );
  const expected = lengths.reduce((sum, [, weights, bias]) => sum + ENTRY + 4 * weights + 8 * bias, HEADER);
  if (expected !== body) return refuse("the lengths do not add up");
  let at = HEADER + ENTRY * count;
  const take = (length: number): ArrayBuffer => {
    const part = new Uint8Array(bytes.subarray(at, at + length)).buffer; // a copy, aligned; slice() of a Buffer is none
    at += length;
    return part;
  };
  const biases = lengths.map(([, , bias]) => new BigInt64Array(take(8 * bias)));
  const weights = lengths.map(([step, weights], i): StepWeights => ({
    step,
    bias: biases[i],
    weights: new Int32Array(take(4 * weights)),
  }));
  checkWeights(plan, weights);
  return weights;
}

/**
 * Commitment to the quantised weights and biases: HMAC-SHA-256 under a key that stays with the model owner, 32 bytes. Public;
 * a keyless digest would confirm a guessed model.
 */
export function weightsCommitment(key: Uint8Array, weights: Weights): Uint8Array {
  if (key.length < 32)
    throw new PlanError(
      "WEAK_KEY",
      `a commitment key has at least 32 bytes, not ${key.length}`,
      "Use 32 random bytes.",
    );
  const encoded = encodeWeights(weights);
  const mac = createHmac("sha256", key)
    .update(COMMITMENT_DOMAIN)
    .update(encoded.subarray(0, encoded.length - DIGEST));
  return new Uint8Array(mac.digest());
}
