import {
  acceptAgreement,
  newId,
  offerAgreement,
  partyTerms,
  signStatement,
  verifyOffer,
  type Terms,
} from "@parley/agreement";
import { parsePlan, type Plan } from "@parley/plan";
import { Code, ParleyError, fromServiceError, type agreements } from "@parley/proto";
import type { PinnedOrganisation } from "../store/organisations.js";
import type { Vault } from "../store/vault.js";
import type { Activation } from "./activation.js";
import { requireDealer, requirePinnedParties, requireTrusted } from "./agreement-check.js";
import type { Changes } from "./changes.js";
import type { OwnOrganisation } from "./own-organisation.js";
import { invalid, notFound, precondition, refusing } from "./refusal.js";
import type { Router } from "./router.js";

const DEFAULT_PREPARED = 4;
/** Terms begin this long before they are signed, for clocks that differ. */
const BACKDATE_MS = 5 * 60_000;

interface Offer {
  readonly assetId: string;
  readonly organisationId: string;
  readonly records: bigint;
  readonly expires: Date | undefined;
  readonly output: string;
  readonly purpose: string;
  readonly maxPrepared: number;
}

const terms = (keys: PinnedOrganisation) => partyTerms({ ...keys, org: keys.id });

/** What people of this organisation do with agreements. */
export class AgreementDesk {
  constructor(
    private readonly own: OwnOrganisation,
    private readonly vault: Vault,
    private readonly router: Router,
    private readonly activation: Activation,
    private readonly endpoints: { of(partner: string): readonly string[] },
    private readonly changes: Changes,
  ) {}

  /** Signs an offer on an own model to a trusted partner and stores it at the router. */
  async offer(offer: Offer, by: string, traceId: string): Promise<agreements.Agreement> {
    const asset = this.vault.assets.get(offer.assetId);
    if (!asset?.published)
      throw notFound(
        "ASSET_UNKNOWN",
        `${this.own.id} has no published asset ${offer.assetId}`,
        "List your own with `parley asset list`.",
      );
    if (offer.organisationId === this.own.id)
      throw invalid("OWN_ORGANISATION", "an agreement is between two organisations", "Name a partner.");
    if (offer.output !== "" && offer.output !== "logits")
      throw invalid("OUTPUT_POLICY", `output policy ${offer.output} is not known`, 'Use "logits".');
    if (offer.records < 1n || offer.records > BigInt(Number.MAX_SAFE_INTEGER))
      throw invalid("RECORDS", "an agreement is for at least one record", "Give a whole number.");
    if (!offer.expires || offer.expires.getTime() <= Date.now())
      throw invalid("EXPIRES", "the end of the agreement must lie in the future", "Give a later date.");
    const partner = requireTrusted(this.vault, offer.organisationId);
    const dealer = requireDealer(this.vault);
    const signed: Terms = {
      format: "parley.agreement.v1",
      id: newId("agr"),
      operation: "predict",
      purpose: offer.purpose,
      asset: {
        id: asset.id,
        name: asset.name,
        version: asset.version,
        commitment: asset.commitment,
        planDigest: asset.planDigest,
      },
      modelOwner: terms(this.own.keys),
      dataOwner: terms(partner),
      dealer: terms(dealer),
      records: Number(offer.records),
      notBefore: new Date(Date.now() - BACKDATE_MS).toISOString(),
      expires: offer.expires.toISOString(),
      output: { kind: "logits" },
      maxPrepared: offer.maxPrepared || DEFAULT_PREPARED,
      perLayerWidths: new Set(widthsOf(parsePlan(JSON.parse(asset.plan.toString("utf8"))))).size > 1,
    };
    const jws = await refusing(() => offerAgreement(signed, this.own.signer), Code.INVALID_ARGUMENT);
    const { agreement } = await this.router.agreements.offer({ jws });
    this.vault.audit.append({
      action: "agreement.offered",
      actor: `${this.own.id}/${by}`,
      subject: signed.id,
      traceId,
      details: { partner: partner.id, asset: asset.id, records: signed.records },
    });
    return present(agreement);
  }

  /** Counter-signs an offer of a trusted partner: own keys, partner, dealer and plan are compared with what is held here. */
  async accept(id: string, by: string, traceId: string): Promise<agreements.Agreement> {
    const { agreement } = await this.router.agreements.getAgreement({ agreementId: id });
    const { terms: offered, signedBy } = await refusing(() => verifyOffer(agreement?.jws ?? ""));
    if (offered.id !== id)
      throw precondition("AGREEMENT_DIFFERS", `the router gave another agreement than ${id}`, "Do not go on.");
    if (signedBy === this.own.id)
      throw precondition(
        "OWN_OFFER",
        `agreement ${id} is an offer of ${this.own.id} itself`,
        "The other organisation accepts it.",
      );
    const { party } = requirePinnedParties(offered, this.own, this.vault);
    requireDealer(this.vault);
    await this.activation.planOf(offered, party);
    const jws = await refusing(() => acceptAgreement(agreement!.jws, this.own.signer));
    const answer = await this.router.agreements.accept({ agreementId: id, jws });
    this.vault.audit.append({
      action: "agreement.accepted",
      actor: `${this.own.id}/${by}`,
      subject: id,
      traceId,
      details: { partner: signedBy, records: offered.records },
    });
    await this.activation.activate(jws);
    return present(answer.agreement);
  }

  /** Ends an agreement here at once, whatever the router answers; the router learns it as soon as it can be reached. */
  async revoke(id: string, reason: string, by: string, traceId: string): Promise<agreements.Agreement> {
    const { agreement } = await this.router.agreements.getAgreement({ agreementId: id }).catch((error: unknown) => {
      if (this.vault.agreements.byId(id)) return { agreement: undefined };
      throw error;
    });
    if (agreement && agreement.modelOwner !== this.own.id && agreement.dataOwner !== this.own.id)
      throw notFound("AGREEMENT_UNKNOWN", `${this.own.id} has no agreement ${id}`);
    const body = { agreement: id, action: "revoke" as const, reason, at: new Date().toISOString() };
    const statement = await refusing(() => signStatement("revocation", body, this.own.signer), Code.INVALID_ARGUMENT);
    this.vault.database.transaction(() => {
      if (this.vault.agreements.end(id, reason, statement))
        this.vault.audit.append({
          action: "agreement.revoked",
          actor: `${this.own.id}/${by}`,
          subject: id,
          traceId,
          details: { reason },
        });
    });
    this.changes.emit("agreements");
    try {
      const answer = await this.router.agreements.revokeAgreement({ agreementId: id, statement });
      this.vault.agreements.markRevocationSent(id);
      return present(answer.agreement);
    } catch (caught) {
      this.changes.emit("revocation");
      const error = fromServiceError(caught);
      throw new ParleyError(
        error.code,
        error.reason,
        `agreement ${id} is ended here; the router does not know it yet: ${error.message}`,
        "Nothing runs under it any more. The access point tells the router as soon as it can.",
      );
    }
  }

  /** True where runs may start now: in force here and, at the model owner, masked; at the data owner, the partner's workers known. */
  isReady(id: string): boolean {
    const held = this.vault.agreements.current().find((candidate) => candidate.id === id);
    return (
      held !== undefined && (held.party === 0 ? held.maskId !== undefined : this.endpoints.of(held.partner).length > 0)
    );
  }
}

function present(agreement: agreements.Agreement | undefined): agreements.Agreement {
  if (agreement) return agreement;
  throw new ParleyError(
    Code.INTERNAL,
    "INCOMPLETE_ANSWER",
    "the router answered without an agreement",
    "Update the router.",
  );
}

const widthsOf = (plan: Plan) => plan.steps.flatMap((step) => ("width" in step ? [step.width] : []));
