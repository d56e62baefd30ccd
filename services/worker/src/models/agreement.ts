import { agreementDigest, pinnedKeys, verifyAgreement, type PinnedKeys, type Terms } from "@parley/agreement";
import { parsePlan, planDigest, type Plan } from "@parley/plan";
import { fleet } from "@parley/proto";

/** An agreement as a worker uses it. */
export interface WorkingAgreement {
  /** Hex of the digest. */
  readonly id: string;
  readonly digest: Buffer;
  readonly terms: Terms;
  readonly plan: Plan;
  readonly planDigest: Buffer;
  readonly party: 0 | 1;
  readonly partner: PinnedKeys;
  readonly dealer: PinnedKeys;
  readonly dealerAddress: string;
  readonly peerEndpoints: readonly string[];
  readonly expires: Date;
  /** Known at the model owner; at the data owner once a partner has stated it. */
  readonly mask?: { readonly id: Buffer; readonly nonce: Buffer; readonly digest: Buffer };
}

/**
 * Reads what the access point sent; signatures and digests are checked here again.
 * @param known what was read before under that digest; its plan is taken over where the text is the same, so that what is
 *   kept for a plan stays good
 * @throws Error where something does not fit
 */
export function readAgreement(message: fleet.ActiveAgreement, known?: WorkingAgreement): WorkingAgreement {
  const { terms, digest } = verifyAgreement(message.jws);
  if (!message.digest.equals(digest) || !message.digest.equals(agreementDigest(message.jws)))
    throw new Error("the agreement does not have the digest that is stated");
  const parsed = parsePlan(JSON.parse(message.plan.toString("utf8")));
  const digestOfPlan = Buffer.from(planDigest(parsed));
  if (digestOfPlan.toString("hex") !== terms.asset.planDigest) throw new Error("the plan is not the agreement's");
  const plan = known?.planDigest.equals(digestOfPlan) ? known.plan : parsed;
  const party = message.party === fleet.Party.PARTY_SERVER ? 0 : 1;
  const hasMask = message.maskId.length > 0;
  return {
    id: message.digest.toString("hex"),
    digest: message.digest,
    terms,
    plan,
    planDigest: digestOfPlan,
    party,
    partner: pinnedKeys(party === 0 ? terms.dataOwner : terms.modelOwner),
    dealer: pinnedKeys(terms.dealer),
    dealerAddress: message.dealerAddress,
    peerEndpoints: message.peerEndpoints,
    expires: new Date(terms.expires),
    mask: hasMask ? { id: message.maskId, nonce: message.maskNonce, digest: message.maskedWeightsDigest } : undefined,
  };
}
