import { verifyAgreement, type Terms } from "@parley/agreement";
import { encodePlan, parsePlan, planDigest } from "@parley/plan";
import type { registry } from "@parley/proto";
import type { Logger } from "@parley/service-kit";
import type { Vault } from "../store/vault.js";
import { requirePinnedParties } from "./agreement-check.js";
import type { Changes } from "./changes.js";
import type { OwnOrganisation } from "./own-organisation.js";
import { precondition, refusing } from "./refusal.js";
import type { Router } from "./router.js";

/** Takes agreements into force here: only what this access point has verified itself, under the keys that it pinned. */
export class Activation {
  constructor(
    private readonly own: OwnOrganisation,
    private readonly vault: Vault,
    private readonly router: Pick<Router, "registry">,
    private readonly changes: Changes,
    private readonly logger: Logger,
  ) {}

  /** @throws ParleyError FAILED_PRECONDITION; the agreement then stays out of force */
  async activate(jws: string): Promise<void> {
    const { terms, digest } = await refusing(() => verifyAgreement(jws));
    const { party, partner } = requirePinnedParties(terms, this.own, this.vault);
    const hex = digest.toString("hex");
    if (this.vault.agreements.byDigest(hex) || this.vault.agreements.isEnded(terms.id)) return;
    const plan = await this.planOf(terms, party);
    const added = this.vault.database.transaction(() => {
      const isNew = this.vault.agreements.add({
        digest: hex,
        id: terms.id,
        jws,
        party,
        partner,
        assetId: terms.asset.id,
        plan,
        planDigest: terms.asset.planDigest,
        records: terms.records,
        maxPrepared: terms.maxPrepared,
        notBefore: Date.parse(terms.notBefore) / 1000,
        expiresAt: Date.parse(terms.expires) / 1000,
      });
      if (isNew)
        this.vault.audit.append({
          action: "agreement.activated",
          actor: this.own.id,
          subject: terms.id,
          details: { partner, asset: terms.asset.id, records: terms.records, digest: hex },
        });
      return isNew;
    });
    if (!added) return;
    this.logger.info({ agreement: terms.id, partner }, "agreement active");
    this.changes.emit("agreements");
  }

  /** The plan that the terms name: own, or the registry's with its digest recomputed. */
  async planOf(terms: Terms, party: 0 | 1): Promise<Buffer> {
    const own = party === 0 ? this.vault.assets.get(terms.asset.id) : undefined;
    if (own) {
      if (own.planDigest !== terms.asset.planDigest || own.commitment !== terms.asset.commitment)
        throw precondition(
          "ASSET_DIFFERS",
          `agreement ${terms.id} states another plan or commitment of ${own.id} than the published one`,
        );
      return own.plan;
    }
    if (party === 0)
      throw precondition(
        "ASSET_UNKNOWN",
        `this access point does not hold asset ${terms.asset.id} of agreement ${terms.id}`,
      );
    const { asset } = await this.router.registry.getAsset({ assetId: terms.asset.id });
    return requirePlan(asset, terms.asset.planDigest, terms.asset.id);
  }
}

/** A plan from the registry, checked as a stranger's. @throws ParleyError FAILED_PRECONDITION where its digest is not the expected one */
export async function requirePlan(
  asset: registry.Asset | undefined,
  expected: string,
  assetId: string,
): Promise<Buffer> {
  const text = asset?.plan.toString("utf8") ?? "";
  const plan = await refusing(() => {
    try {
      return parsePlan(JSON.parse(text));
    } catch (error) {
      if (error instanceof SyntaxError)
        throw precondition("PLAN_UNREADABLE", `the registry's plan of ${assetId} is not JSON`, "");
      throw error;
    }
  });
  if (Buffer.from(planDigest(plan)).toString("hex") !== expected)
    throw precondition(
      "PLAN_DIGEST",
      `the registry's plan of ${assetId} does not have the digest that the agreement states`,
      "Do not go on; ask the model owner.",
    );
  return Buffer.from(encodePlan(plan));
}
