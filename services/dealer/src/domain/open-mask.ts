import { AgreementError, verifyAgreement, type PartyTerms } from "@parley/agreement";
import { computeMaskId } from "@parley/correlation";
import { encodePlan, parsePlan, planDigest, PlanError, type Plan } from "@parley/plan";
import { Code, ParleyError, type common, type dealer } from "@parley/proto";
import { randomBytes } from "node:crypto";
import type { MaskStore } from "../store/mask-store.js";
import type { OrganisationStore } from "../store/organisation-store.js";
import { maskName } from "./keys.js";
import type { Sealing } from "./sealing.js";

export interface OpenedMask {
  readonly id: Buffer;
  readonly nonce: Buffer;
  readonly key: Buffer;
  readonly plan: Plan;
  readonly agreementId: string;
  readonly dataOwner: string;
}

const DAY = 24 * 3600 * 1000;
/** A mask key is kept at most this long. */
const MASK_LIFE_MS = 90 * DAY;

const refused = (reason: string, message: string, hint: string, cause?: unknown) =>
  new ParleyError(Code.FAILED_PRECONDITION, reason, message, hint, {}, { cause });

/** Draws masks. Everything is checked against what was enrolled here, never against a name or the router's word. */
export class MaskOpening {
  constructor(
    private readonly organisations: OrganisationStore,
    private readonly masks: MaskStore,
    private readonly sealing: Sealing,
    private readonly self: common.Organisation,
  ) {}

  /** Stores a new mask before anything of it may leave. @throws ParleyError naming what does not fit */
  async open(request: dealer.OpenMaskRequest, caller: string): Promise<OpenedMask> {
    const { terms, digest } = this.verify(request.agreement);
    if (terms.modelOwner.org !== caller)
      throw new ParleyError(
        Code.PERMISSION_DENIED,
        "NOT_MODEL_OWNER",
        `the agreement's model owner is ${terms.modelOwner.org}, not ${caller}`,
        "Only the model owner opens a mask.",
      );
    const [owner, client] = await Promise.all([this.enrolled(terms.modelOwner), this.enrolled(terms.dataOwner)]);
    if (!sameKeys(terms.dealer, this.self))
      throw refused(
        "OTHER_DEALER",
        "the agreement names another dealer, or other keys of this one",
        "Trust the dealer's present fingerprint and make a new agreement.",
      );
    const plan = this.readPlan(request.plan);
    const digestOfPlan = Buffer.from(planDigest(plan));
    if (digestOfPlan.toString("hex") !== terms.asset.planDigest)
      throw refused(
        "PLAN_DIFFERS",
        "the plan is not the one that both organisations signed",
        "Publish the model again and make a new agreement.",
      );
    if (request.commitment.toString("hex") !== terms.asset.commitment)
      throw refused(
        "COMMITMENT_DIFFERS",
        "the commitment is not the one that both organisations signed",
        "Publish the model again and make a new agreement.",
      );
    const nonce = randomBytes(16);
    const id = Buffer.from(computeMaskId(digestOfPlan, request.commitment, digest, nonce));
    const key = randomBytes(32);
    await this.masks.insert((under) => ({
      id,
      sealed: this.sealing.seal(key, maskName(id), under),
      agreementDigest: Buffer.from(digest),
      planDigest: digestOfPlan,
      plan: Buffer.from(encodePlan(plan)).toString("utf8"),
      org0: owner.id,
      org1: client.id,
      key0: owner.signingKey,
      key1: client.signingKey,
      maxPrepared: terms.maxPrepared,
      expires: new Date(Math.min(Date.parse(terms.expires), Date.now() + MASK_LIFE_MS)),
    }));
    return { id, nonce, key, plan, agreementId: terms.id, dataOwner: client.id };
  }

  private verify(jws: string) {
    try {
      return verifyAgreement(jws);
    } catch (error) {
      if (error instanceof AgreementError) throw refused(error.reason, error.message, error.hint, error);
      throw error;
    }
  }

  private async enrolled(party: PartyTerms): Promise<common.Organisation> {
    const known = await this.organisations.get(party.org);
    if (!known || !sameKeys(party, known))
      throw refused(
        "NOT_ENROLLED",
        `${party.org} is not enrolled at this dealer under the keys of the agreement`,
        `Enrol ${party.org} with a token of the dealer's operator, or make a new agreement.`,
      );
    return known;
  }

  private readPlan(bytes: Buffer): Plan {
    try {
      return parsePlan(JSON.parse(bytes.toString("utf8")));
    } catch (error) {
      if (error instanceof PlanError)
        throw new ParleyError(Code.INVALID_ARGUMENT, error.reason, error.message, error.hint, {}, { cause: error });
      throw new ParleyError(
        Code.INVALID_ARGUMENT,
        "PLAN_INVALID",
        "the plan is not JSON",
        "Update the access point.",
        {},
        { cause: error },
      );
    }
  }
}

/** Signing key and authorities as enrolled, whatever their order. */
function sameKeys(terms: PartyTerms, enrolled: common.Organisation): boolean {
  const sorted = (list: readonly string[]) => [...list].sort().join(",");
  return (
    terms.org === enrolled.id &&
    terms.signingKey === enrolled.signingKey.toString("base64url") &&
    sorted(terms.bundle) === sorted(enrolled.bundle.map((der) => der.toString("base64")))
  );
}
