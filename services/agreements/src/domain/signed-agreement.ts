import { agreementDigest, pinnedKeys, verifyAgreement, verifyOffer, type Terms } from "@parley/agreement";
import { Code, ParleyError, type common } from "@parley/proto";
import { refusing } from "./refusal.js";

/** An enrolled organisation that was not revoked, as identity tells it. */
export type FindOrganisation = (id: string) => common.Organisation | undefined;

export interface SignedOffer {
  readonly terms: Terms;
  readonly digest: Buffer;
}

/**
 * Checks an offer: signed by the caller, and both parties' keys in the terms are the keys that they enrolled.
 * @throws ParleyError
 */
export function checkOffer(jws: string, caller: string, find: FindOrganisation): SignedOffer {
  const { terms, digest, signedBy } = refusing(() => verifyOffer(jws));
  if (signedBy !== caller)
    throw new ParleyError(
      Code.PERMISSION_DENIED,
      "SIGNATURE_INVALID",
      `the offer is signed by ${signedBy}, and sent by ${caller}`,
      "Each organisation sends what it signed itself.",
    );
  requireEnrolledKeys(terms, find);
  return { terms, digest };
}

/**
 * Checks that `jws` is the stored offer with the caller's signature added, under the keys that both enrolled.
 * @throws ParleyError
 */
export function checkAcceptance(jws: string, offer: string, caller: string, find: FindOrganisation): void {
  const offered = refusing(() => verifyOffer(offer));
  if (offered.signedBy === caller)
    throw new ParleyError(
      Code.PERMISSION_DENIED,
      "OWN_OFFER",
      `${caller} made the offer ${offered.terms.id} itself`,
      "The other organisation accepts it.",
    );
  if (!refusing(() => agreementDigest(jws)).equals(offered.digest))
    throw new ParleyError(
      Code.INVALID_ARGUMENT,
      "TERMS_DIFFER",
      `what was signed is not the offer ${offered.terms.id}`,
      "Accept the offer as it stands, or make a new one.",
    );
  // An agreement may be signed before it begins.
  const now = new Date(Math.max(Date.now(), Date.parse(offered.terms.notBefore)));
  refusing(() => verifyAgreement(jws, { now }));
  requireEnrolledKeys(offered.terms, find);
}

function requireEnrolledKeys(terms: Terms, find: FindOrganisation): void {
  for (const party of [terms.modelOwner, terms.dataOwner]) {
    const enrolled = find(party.org);
    if (!enrolled)
      throw new ParleyError(
        Code.FAILED_PRECONDITION,
        "ORGANISATION_NOT_ENROLLED",
        `${party.org} is not enrolled at this router, or was revoked`,
        "It enrols with a one-time token of the router's operator.",
      );
    if (!enrolled.signingKey.equals(refusing(() => pinnedKeys(party)).signingKey))
      throw new ParleyError(
        Code.FAILED_PRECONDITION,
        "SIGNING_KEY_DIFFERS",
        `the terms name another signing key for ${party.org} than the one it enrolled`,
        `Compare fingerprints and trust it again: parley org trust ${party.org} --fingerprint F.`,
      );
  }
}
