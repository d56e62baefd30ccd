import { createHash, createHmac, createSecretKey, hkdfSync } from "node:crypto";
import type { KeyObject } from "node:crypto";

/** What a batch is bound to. Every field goes into its keys, length-prefixed. */
export interface BatchContext {
  /** 32 bytes. */
  readonly maskId: Uint8Array;
  /** 32 bytes. */
  readonly planDigest: Uint8Array;
  /** 16 random bytes that the dealer drew. */
  readonly batchId: Uint8Array;
  /** Records of the run. */
  readonly records: number;
  /** Enrolled Ed25519 key of the model owner, raw. */
  readonly org0: Uint8Array;
  /** Enrolled Ed25519 key of the data owner, raw. */
  readonly org1: Uint8Array;
}

/** Keys of one batch. P0 gets key0, P1 key1 and corrections; dealerKey never leaves the dealer. */
export interface BatchKeys {
  readonly key0: Uint8Array;
  readonly key1: Uint8Array;
  /** For what neither party draws alone: masks of opened bits, s_b, s_u. */
  readonly dealerKey: Uint8Array;
  /** 16 bytes, stated by both parties at session start. */
  readonly fingerprint: Uint8Array;
}

const KEY_BYTES = 32;
const FIELD_BYTES = { maskId: 32, planDigest: 32, batchId: 16, org0: 32, org1: 32 } as const;

/** u32 length and bytes of each field, one after the other. */
export function lengthPrefixed(...fields: (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    fields.flatMap((field) => {
      const bytes = typeof field === "string" ? Buffer.from(field, "utf8") : field;
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

export function u32(value: number): Buffer {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new RangeError(`${value} is not a u32`);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function requireBytes(name: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new RangeError(`${name} must have ${length} bytes, not ${bytes.length}`);
}

/**
 * Keys of a batch: HKDF-SHA-256 of the period key, protocol section 3.2.
 * @throws RangeError for a field of a wrong length
 */
export function deriveBatch(periodKey: Uint8Array, context: BatchContext): BatchKeys {
  requireBytes("the period key", periodKey, KEY_BYTES);
  for (const [name, length] of Object.entries(FIELD_BYTES)) {
    requireBytes(name, context[name as keyof typeof FIELD_BYTES], length);
  }
  const { maskId, planDigest, batchId, records, org0, org1 } = context;
  const secret = createSecretKey(periodKey); // raw bytes cost a slow conversion at each use
  const derive = (role: string, length: number): Uint8Array => {
    const info = lengthPrefixed("parley/v1/batch", maskId, planDigest, batchId, u32(records), org0, org1, role);
    return new Uint8Array(hkdfSync("sha256", secret, Buffer.alloc(0), info, length));
  };
  return {
    key0: derive("P0", KEY_BYTES),
    key1: derive("P1", KEY_BYTES),
    dealerKey: derive("T", KEY_BYTES),
    fingerprint: derive("fingerprint", 16),
  };
}

/** Key of one (batch, role, step): HKDF-Expand with SHA-256, one block. A key has one purpose. */
export function stepKey(roleKey: Uint8Array, step: number): KeyObject {
  requireBytes("the role's key", roleKey, KEY_BYTES);
  const info = lengthPrefixed("parley/v1/step", u32(step));
  const bytes = createHmac("sha256", createSecretKey(roleKey)).update(info).update(Uint8Array.of(1)).digest();
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return key;
}

/** Key of the stream of U of one mask: 32 bytes. */
export function deriveMask(maskKey: Uint8Array, maskId: Uint8Array): Uint8Array {
  requireBytes("the mask key", maskKey, KEY_BYTES);
  requireBytes("the mask id", maskId, 32);
  return new Uint8Array(
    hkdfSync("sha256", maskKey, Buffer.alloc(0), lengthPrefixed("parley/v1/mask-stream", maskId), KEY_BYTES),
  );
}

/**
 * Name of a model's mask for one agreement: protocol, section 4. Every change of a weight, scale or quantiser is a new one.
 * @param commitment HMAC of the quantised tensors, 32 bytes
 * @param nonce the dealer's, 16 bytes
 */
export function computeMaskId(
  planDigest: Uint8Array,
  commitment: Uint8Array,
  agreementDigest: Uint8Array,
  nonce: Uint8Array,
): Uint8Array {
  requireBytes("the plan digest", planDigest, 32);
  requireBytes("the weights commitment", commitment, 32);
  requireBytes("the agreement digest", agreementDigest, 32);
  requireBytes("the nonce", nonce, 16);
  return new Uint8Array(
    createHash("sha256")
      .update(lengthPrefixed("parley/v1/mask", planDigest, commitment, agreementDigest, nonce))
      .digest(),
  );
}
