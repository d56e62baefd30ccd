import {
  enrolmentProof,
  fetchIssuerAuthority,
  organisationFingerprint,
  parseOneTimeToken,
  secretHashOf,
  thumbprint,
} from "@parley/agreement";
import { Code, enrolment, type common } from "@parley/proto";
import { connect, pinnedChannelCredentials } from "@parley/service-kit";
import { X509Certificate } from "node:crypto";
import type { IssuerKind, PinnedOrganisation } from "../store/organisations.js";
import type { Vault } from "../store/vault.js";
import type { Changes } from "./changes.js";
import type { OwnOrganisation } from "./own-organisation.js";
import { denied, invalid, notFound, precondition, refusing } from "./refusal.js";
import type { Router } from "./router.js";

/** An organisation as answered to members, with a fingerprint that was computed here. */
export const describe = (keys: PinnedOrganisation, more: Partial<common.Organisation> = {}): common.Organisation => ({
  id: keys.id,
  bundle: [...keys.bundle],
  signingKey: keys.signingKey,
  workerEndpoints: [],
  revoked: false,
  ...more,
  fingerprint: organisationFingerprint(keys),
});

const pinned = (organisation: common.Organisation): PinnedOrganisation => {
  if (!organisation.id || organisation.bundle.length === 0 || organisation.signingKey.length !== 32)
    throw precondition("ORGANISATION_INCOMPLETE", "the answer names no organisation with a bundle and a signing key");
  return { id: organisation.id, bundle: organisation.bundle, signingKey: organisation.signingKey };
};

/** First contact with operators, and whom this organisation trusts. */
export class Enrolment {
  constructor(
    private readonly own: OwnOrganisation,
    private readonly vault: Vault,
    private readonly router: Router,
    private readonly changes: Changes,
    private readonly endpoints: () => string[],
  ) {}

  /** Enrols at an operator. Its authority is checked against the token before the secret is sent, and pinned from then on. */
  async enrol(text: string, operator: IssuerKind, by: string, traceId: string) {
    const issuer = await refusing(async () => {
      const token = parseOneTimeToken(text);
      const authority = await fetchIssuerAuthority(token);
      const client = connect(enrolment.EnrolmentServiceService, {
        address: token.address,
        credentials: pinnedChannelCredentials(authority),
      });
      try {
        const answer = await client.enrol({
          secret: token.secret,
          organisation: describe(this.own.keys, { workerEndpoints: this.endpoints() }),
          proof: Buffer.from(enrolmentProof(this.own.signer.privateKey, secretHashOf(token.secret), this.own.id)),
        });
        if (!answer.issuer) throw precondition("ISSUER_MISSING", `the ${operator} did not say who it is`, "");
        const keys = pinned(answer.issuer);
        const expected = thumbprint(new X509Certificate(authority).raw).toString("hex");
        if (!keys.bundle.some((der) => thumbprint(der).toString("hex") === expected))
          throw denied("ISSUER_DIFFERS", `the ${operator} states a bundle without the authority that its token names`);
        return { ...keys, services: answer.services };
      } finally {
        client.close();
      }
    }, Code.INVALID_ARGUMENT);
    this.vault.database.transaction(() => {
      this.vault.organisations.saveIssuer(operator, issuer);
      this.vault.audit.append({
        action: "organisation.enrolled",
        actor: `${this.own.id}/${by}`,
        subject: issuer.id,
        traceId,
        details: { operator, fingerprint: organisationFingerprint(issuer) },
      });
    });
    if (operator === "router") this.router.reset();
    this.changes.emit("enrolled", operator);
    return { organisation: describe(this.own.keys), issuer: describe(issuer) };
  }

  /** This organisation, the dealer as it enrolled us, or a partner: as pinned where it is trusted, else as the router describes it. */
  async find(id: string): Promise<{ organisation: common.Organisation; trusted: boolean }> {
    if (id === "" || id === this.own.id)
      return { organisation: describe(this.own.keys, { workerEndpoints: this.endpoints() }), trusted: true };
    const dealer = this.vault.organisations.issuer("dealer");
    if (id === "dealer" || id === dealer?.id) {
      if (!dealer)
        throw notFound(
          "DEALER_UNKNOWN",
          `${this.own.id} is not enrolled at a dealer`,
          "Get a one-time token from the dealer's operator and run `parley org enrol --dealer TOKEN`.",
        );
      const held = this.vault.organisations.trusted(dealer.id);
      return { organisation: describe(held ?? dealer), trusted: held !== undefined };
    }
    const held = this.vault.organisations.trusted(id);
    const { organisation } = await this.router.identity
      .getOrganisation({ organisationId: id })
      .catch((error: unknown) => {
        if (held) return { organisation: describe(held) }; // a trusted partner is known without the router
        throw error;
      });
    if (!organisation || organisation.id !== id)
      throw notFound("ORGANISATION_UNKNOWN", `the router knows no organisation ${id}`, "Check the name.");
    const { workerEndpoints, revoked } = organisation;
    return {
      organisation: describe(held ?? pinned(organisation), { workerEndpoints, revoked }),
      trusted: held !== undefined,
    };
  }

  /** Pins a partner or the dealer. The fingerprint is computed here, over what the router or dealer sent. @throws ParleyError FAILED_PRECONDITION where it differs */
  async trust(id: string, fingerprint: string, by: string, traceId: string): Promise<common.Organisation> {
    const compared = fingerprint.replace(/[\s:]/g, "").toLowerCase();
    if (!/^[0-9a-f]{64}$/.test(compared))
      throw invalid(
        "FINGERPRINT",
        "a fingerprint has 64 hexadecimal digits",
        "Copy what `parley org show` prints at the partner.",
      );
    if (id === this.own.id) throw invalid("OWN_ORGANISATION", `${id} is this organisation itself`);
    const dealer = this.vault.organisations.issuer("dealer");
    const described =
      id === "dealer" || id === dealer?.id
        ? (dealer ?? (await this.find("dealer")).organisation)
        : (await this.router.identity.getOrganisation({ organisationId: id })).organisation;
    if (!described || (id !== "dealer" && described.id !== id))
      throw notFound("ORGANISATION_UNKNOWN", `the router knows no organisation ${id}`, "Check the name.");
    const keys: PinnedOrganisation = { id: described.id, bundle: described.bundle, signingKey: described.signingKey };
    if (organisationFingerprint(keys) !== compared)
      throw precondition(
        "FINGERPRINT_DIFFERS",
        `${id} on record has another fingerprint than the one given`,
        `Ask ${id} for the fingerprint again, by telephone. If it is the one given, someone answers in ${id}'s place: trust nothing.`,
      );
    this.vault.database.transaction(() => {
      this.vault.organisations.trust(keys, compared, by);
      this.vault.audit.append({
        action: "organisation.trusted",
        actor: `${this.own.id}/${by}`,
        subject: keys.id,
        traceId,
        details: { fingerprint: compared },
      });
    });
    this.changes.emit("trusted");
    return describe(keys);
  }
}
