import { pinnedKeys, type PartyTerms, type Terms } from "@parley/agreement";
import type { PinnedOrganisation } from "../store/organisations.js";
import type { Vault } from "../store/vault.js";
import type { OwnOrganisation } from "./own-organisation.js";
import { precondition } from "./refusal.js";

/** A partner or the dealer as pinned. @throws ParleyError FAILED_PRECONDITION with the command that records the trust */
export function requireTrusted(vault: Vault, org: string): PinnedOrganisation {
  const held = vault.organisations.trusted(org);
  if (held) return held;
  throw precondition(
    "NOT_TRUSTED",
    `${org} is not trusted yet`,
    `Compare its fingerprint out of band, then run \`parley org trust ${org} --fingerprint FINGERPRINT\`.`,
  );
}

/** The dealer at which this organisation enrolled, as pinned. @throws ParleyError FAILED_PRECONDITION */
export function requireDealer(vault: Vault): PinnedOrganisation {
  const issuer = vault.organisations.issuer("dealer");
  if (issuer) return requireTrusted(vault, issuer.id);
  throw precondition(
    "NO_DEALER",
    "this organisation is not enrolled at a dealer",
    "Get a one-time token from the dealer's operator and run `parley org enrol --dealer TOKEN`.",
  );
}

/**
 * Compares the parties of terms with what this organisation is and has pinned: own keys, partner, dealer. The router's word
 * counts for nothing here.
 * @throws ParleyError FAILED_PRECONDITION that names the party and what differs
 */
export function requirePinnedParties(
  terms: Terms,
  own: OwnOrganisation,
  vault: Vault,
): { party: 0 | 1; partner: string } {
  const party = terms.modelOwner.org === own.id ? 0 : terms.dataOwner.org === own.id ? 1 : undefined;
  if (party === undefined) throw precondition("NOT_A_PARTY", `${own.id} is not a party of agreement ${terms.id}`, "");
  const [mine, theirs] = party === 0 ? [terms.modelOwner, terms.dataOwner] : [terms.dataOwner, terms.modelOwner];
  requireSame(terms, mine, own.keys);
  requireSame(terms, theirs, requireTrusted(vault, theirs.org));
  const dealer = requireDealer(vault); // the dealer at which this organisation enrolled, never just any trusted one
  if (terms.dealer.org !== dealer.id)
    throw precondition(
      "PINNED_KEYS_DIFFER",
      `agreement ${terms.id} names ${terms.dealer.org} as dealer; ${own.id} is enrolled at ${dealer.id}`,
      "Do not go on; ask the partner which dealer it means.",
    );
  requireSame(terms, terms.dealer, dealer);
  return { party, partner: theirs.org };
}

function requireSame(terms: Terms, stated: PartyTerms, pinned: PinnedOrganisation) {
  const keys = pinnedKeys(stated);
  const differs = !pinned.signingKey.equals(keys.signingKey)
    ? "signing key"
    : !sameBundle(pinned.bundle, keys.bundle)
      ? "bundle"
      : undefined;
  if (differs)
    throw precondition(
      "PINNED_KEYS_DIFFER",
      `agreement ${terms.id} states another ${differs} of ${stated.org} than the one that was trusted`,
      `Do not go on. Ask ${stated.org}; if it changed its keys, compare the fingerprint anew and run \`parley org trust ${stated.org} --fingerprint FINGERPRINT\`.`,
    );
}

function sameBundle(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  const text = (bundle: readonly Uint8Array[]) =>
    bundle
      .map((der) => Buffer.from(der).toString("base64"))
      .sort()
      .join();
  return text(a) === text(b);
}
