import { claimedName, thumbprint, verifyLeaf } from "@parley/agreement";
import { Code, ParleyError } from "@parley/proto";
import { X509Certificate } from "node:crypto";
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
  const known = verified.get(trust)?.get(certificate.toString("latin1"));
  if (known && known.generation === trust.generation && Date.now() < known.until) return known.peer;
  try {
    const claimed = claimedName(certificate);
    const bundle = trust.bundleOf(claimed.org);
    if (!bundle) throw unauthenticated(`organisation ${claimed.org} is not known here`);
    const { org, role } = verifyLeaf(certificate, bundle);
    const peer = { org, role, thumbprint: thumbprint(certificate), certificate };
    remember(trust, peer, bundle);
    return peer;
  } catch (error) {
    throw error instanceof ParleyError ? error : unauthenticated("the client certificate is not valid", error);
  }
}

/** Peers whose certificate was verified, by its bytes: a connection makes many calls, and a signature's check is dear. */
const verified = new WeakMap<TrustStore, Map<string, { peer: Peer; generation: number; until: number }>>();
const MOST = 1_000;

/** Until the bundle is another one, or the leaf or an authority ends. */
function remember(trust: TrustStore, peer: Peer, bundle: readonly Buffer[]) {
  let peers = verified.get(trust);
  if (!peers || peers.size >= MOST) verified.set(trust, (peers = new Map()));
  const until = Math.min(...[peer.certificate, ...bundle].map((der) => Date.parse(new X509Certificate(der).validTo)));
  peers.set(peer.certificate.toString("latin1"), { peer, generation: trust.generation, until });
}
