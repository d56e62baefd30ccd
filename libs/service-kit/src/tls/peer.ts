import { claimedName, thumbprint, verifyLeaf } from "@parley/agreement";
import { Code, ParleyError } from "@parley/proto";
import type { TrustStore } from "./trust-store.js";

/** Who is at the other end of a mutual TLS connection. */
export interface Peer {
  readonly org: string;
  readonly role: string;
  /** SHA-256 of the leaf certificate, DER. */
  readonly thumbprint: Buffer;
  readonly certificate: Buffer;
}

const unauthenticated = (message: string, cause?: unknown) =>
  new ParleyError(
    Code.UNAUTHENTICATED,
    "CERTIFICATE_REFUSED",
    message,
    "Present a current certificate of an enrolled organisation.",
    {},
    { cause },
  );

/**
 * Checks a leaf against the bundle pinned for the organisation that it names: no authority can speak for another
 * organisation, whatever TLS admitted.
 * @throws ParleyError UNAUTHENTICATED
 */
export function authenticatePeer(certificate: Buffer | undefined, trust: TrustStore): Peer {
  if (!certificate) throw unauthenticated("no client certificate was presented");
  try {
    const claimed = claimedName(certificate);
    const bundle = trust.bundleOf(claimed.org);
    if (!bundle) throw unauthenticated(`organisation ${claimed.org} is not known here`);
    const { org, role } = verifyLeaf(certificate, bundle);
    return { org, role, thumbprint: thumbprint(certificate), certificate };
  } catch (error) {
    throw error instanceof ParleyError ? error : unauthenticated("the client certificate is not valid", error);
  }
}
