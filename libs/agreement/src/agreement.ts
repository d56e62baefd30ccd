import { createHash } from "node:crypto";
import { z } from "zod";
import { canonicalBytes, readCanonical } from "./canonical.js";
import { AgreementError } from "./error.js";
import { claimedSigner, requireSignature, signPayload, type Signature } from "./signature.js";
import type { Signer } from "./signing-key.js";
import { pinnedKeys, readTerms, type Terms } from "./terms.js";

const TYPE = "parley.agreement.v1";
/** Clocks of two organisations may differ by this much when an agreement begins. */
const SKEW_MS = 60_000;
const MAX_JWS_BYTES = 256 * 1024;

const jwsSchema = z.strictObject({
  payload: z.string(),
  signatures: z
    .array(z.strictObject({ protected: z.string(), signature: z.string() }))
    .min(1)
    .max(2),
});

/** What verification gives. */
export interface VerifiedAgreement {
  readonly terms: Terms;
  /** SHA-256 of the signed payload: what tickets, masks and sessions are bound to. */
  readonly digest: Buffer;
}

/** Signs terms as one of their two parties; a General JWS (JSON text) with one signature. @throws AgreementError TERMS_INVALID, KEY_INVALID */
export function offerAgreement(terms: Terms, signer: Signer): string {
  requireParty(readTerms(terms), signer.org);
  const payload = canonicalBytes(terms).toString("base64url");
  return JSON.stringify({ payload, signatures: [signPayload(payload, TYPE, signer)] });
}

/** Adds the other party's signature to an offer, over the very bytes that were offered. @throws AgreementError as {@link verifyOffer} */
export function acceptAgreement(jws: string, signer: Signer, now = new Date()): string {
  const { terms, signedBy } = verifyOffer(jws, { now });
  requireParty(terms, signer.org);
  if (signedBy === signer.org)
    throw new AgreementError("SIGNATURE_INVALID", `${signer.org} made this offer; the other organisation accepts it`);
  const { payload, signatures } = readJws(jws);
  return JSON.stringify({ payload, signatures: [...signatures, signPayload(payload, TYPE, signer)] });
}

/**
 * Verifies an agreement: exactly one signature of the model owner and one of the data owner, each under the key that the
 * terms pin for it; canonical payload; `now` within its dates. Whether the pinned keys are the right ones is the caller's
 * question: compare them with what was trusted or enrolled.
 * @throws AgreementError SIGNATURE_INVALID, PAYLOAD_NOT_CANONICAL, TERMS_INVALID, TERMS_EXPIRED, TERMS_NOT_YET_VALID
 */
export function verifyAgreement(jws: string, options: { now?: Date } = {}): VerifiedAgreement {
  const { terms, digest, signers } = verifySignatures(jws);
  if (signers.length !== 2)
    throw new AgreementError(
      "SIGNATURE_INVALID",
      `agreement ${terms.id} is signed by ${signers[0]} only`,
      "It is still an offer.",
    );
  const now = (options.now ?? new Date()).getTime();
  if (now + SKEW_MS < Date.parse(terms.notBefore))
    throw new AgreementError("TERMS_NOT_YET_VALID", `agreement ${terms.id} begins at ${terms.notBefore}`);
  requireNotExpired(terms, now);
  return { terms, digest };
}

/** Verifies an offer: one signature, of one of the two parties, and not past its end. @throws AgreementError as {@link verifyAgreement} */
export function verifyOffer(
  jws: string,
  options: { now?: Date } = {},
): VerifiedAgreement & { readonly signedBy: string } {
  const { terms, digest, signers } = verifySignatures(jws);
  if (signers.length !== 1)
    throw new AgreementError("SIGNATURE_INVALID", `agreement ${terms.id} has two signatures; an offer has one`);
  requireNotExpired(terms, (options.now ?? new Date()).getTime());
  return { terms, digest, signedBy: signers[0] };
}

/** SHA-256 of the payload of an offer or agreement, 32 bytes. Verifies nothing but the form. @throws AgreementError */
export const agreementDigest = (jws: string): Buffer => sha256(readPayload(readJws(jws).payload).bytes);

/** The terms of an offer or agreement that was verified before and stored. Verifies nothing but the form. @throws AgreementError */
export const termsOf = (jws: string): Terms => readTerms(readPayload(readJws(jws).payload).value);

function verifySignatures(jws: string): VerifiedAgreement & { readonly signers: readonly string[] } {
  const { payload, signatures } = readJws(jws);
  const { value, bytes } = readPayload(payload);
  const terms = readTerms(value);
  const signers = signatures.map((signature) => claimedSigner(signature, TYPE, "SIGNATURE_INVALID"));
  if (new Set(signers).size !== signers.length)
    throw new AgreementError("SIGNATURE_INVALID", `agreement ${terms.id} is signed by ${signers[0]} twice`);
  signatures.forEach((signature, index) => {
    const party = requireParty(terms, signers[index]);
    requireSignature(party.org, party.signingKey, payload, signature);
  });
  return { terms, digest: sha256(bytes), signers };
}

function readJws(jws: string): { payload: string; signatures: Signature[] } {
  if (jws.length <= MAX_JWS_BYTES) {
    try {
      return jwsSchema.parse(JSON.parse(jws));
    } catch {
      // falls through to the one refusal below
    }
  }
  throw new AgreementError(
    "TERMS_INVALID",
    "this is not an agreement: a General JWS in JSON with one or two signatures",
  );
}

const readPayload = (payload: string) => readCanonical(payload, "the text of the agreement", "TERMS_INVALID");

function requireParty(terms: Terms, org: string) {
  const party = [terms.modelOwner, terms.dataOwner].find((candidate) => candidate.org === org);
  if (party === undefined)
    throw new AgreementError("SIGNATURE_INVALID", `${org} is not a party of agreement ${terms.id}`);
  return pinnedKeys(party);
}

function requireNotExpired(terms: Terms, now: number) {
  if (now >= Date.parse(terms.expires))
    throw new AgreementError(
      "TERMS_EXPIRED",
      `agreement ${terms.id} expired at ${terms.expires}`,
      "Offer a new one with `parley agreement offer`.",
    );
}

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
