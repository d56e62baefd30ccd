import { createHash } from "node:crypto";
import { signBytes, verifyBytes, type PrivateKey } from "./signing-key.js";

/** What an organisation is known by. */
export interface OrganisationKeys {
  readonly id: string;
  /** Authorities, DER. */
  readonly bundle: readonly Uint8Array[];
  /** Raw Ed25519 key, 32 bytes. */
  readonly signingKey: Uint8Array;
}

/** SHA-256, lower-case hex, over id, signing key and every authority, each with its length in front; what people compare out of band. The order of the bundle does not count. */
export function organisationFingerprint(organisation: OrganisationKeys): string {
  const bundle = [...organisation.bundle].map((der) => Buffer.from(der)).sort(Buffer.compare);
  const fields = [Buffer.from(organisation.id), Buffer.from(organisation.signingKey), ...bundle];
  return createHash("sha256").update(framed("parley/v1/organisation", fields)).digest("hex");
}

/** Proof that the enrolling organisation holds its signing key: a signature, 64 bytes, over the SHA-256 of the one-time secret and the name. */
export const enrolmentProof = (privateKey: PrivateKey, secretHash: Uint8Array, org: string): Uint8Array =>
  signBytes(privateKey, enrolmentStatement(secretHash, org));

/** Checks {@link enrolmentProof} under the raw public key that is being enrolled. */
export const verifyEnrolmentProof = (
  publicKey: Uint8Array,
  secretHash: Uint8Array,
  org: string,
  proof: Uint8Array,
): boolean => verifyBytes(publicKey, enrolmentStatement(secretHash, org), proof);

const enrolmentStatement = (secretHash: Uint8Array, org: string) =>
  framed("parley/v1/enrolment", [Buffer.from(secretHash), Buffer.from(org)]);

/** Purpose and fields, each behind its length (u32, big endian), so that no two lists give the same bytes. */
function framed(purpose: string, fields: readonly Uint8Array[]): Buffer {
  const parts = [Buffer.from(purpose), ...fields].flatMap((field) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(field.length);
    return [length, field];
  });
  return Buffer.concat(parts);
}
