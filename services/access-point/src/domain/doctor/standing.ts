import { Findings, ageOf, fromServiceError, type common } from "@parley/proto";
import { VERSION } from "@parley/service-kit";
import { X509Certificate } from "node:crypto";
import { organisationFingerprint } from "@parley/agreement";
import type { Vault } from "../../store/vault.js";
import type { Fleet } from "../fleet/fleet.js";
import type { PartnerEndpoints } from "../fleet/partner-endpoints.js";
import type { OwnOrganisation } from "../own-organisation.js";
import type { Router } from "../router.js";

export const SOURCE = "access-point";

interface Parts {
  readonly own: OwnOrganisation;
  readonly vault: Vault;
  readonly router: Router;
  readonly fleet: Fleet;
  readonly endpoints: PartnerEndpoints;
}

/** What this organisation is to others: certificates, enrolment, trust, and whether workers are there. */
export async function* standing({ own, vault, router, fleet, endpoints }: Parts): AsyncGenerator<common.Finding, void> {
  const self = new Findings(SOURCE, own.id);
  yield self.ok("version", VERSION);
  yield ageOf("certificate", new X509Certificate(own.certificate.leaf), self);
  for (const der of own.keys.bundle) yield ageOf("authority", new X509Certificate(der), self);
  for (const kind of ["router", "dealer"] as const) {
    const issuer = vault.organisations.issuer(kind);
    const findings = new Findings(SOURCE, kind);
    yield issuer
      ? findings.ok("enrolment", `enrolled at ${issuer.id}`)
      : findings.failed(
          "enrolment",
          `${own.id} is not enrolled at a ${kind}`,
          `Get a one-time token from the ${kind}'s operator, then: parley org enrol --operator ${kind} --token-file FILE`,
        );
  }
  const dealer = vault.organisations.issuer("dealer");
  if (dealer) yield trustOf("dealer", dealer.id);
  const workers = fleet.workers.filter(({ draining }) => !draining);
  const names = workers.map(({ name }) => name).join(", ");
  yield workers.length > 0
    ? self.ok("workers", `${workers.length} attached: ${names.slice(0, 120)}`)
    : self.failed("workers", "no worker is attached", "Start one, and look at its log: no job runs without a worker.");
  if (!router.enrolled) return;
  yield* await registration();
  for (const partner of new Set(vault.agreements.current().map((agreement) => agreement.partner)))
    yield* about(partner);

  function trustOf(target: string, id: string): common.Finding {
    const findings = new Findings(SOURCE, target);
    return vault.organisations.trusted(id)
      ? findings.ok("trust", "its fingerprint was compared")
      : findings.warning(
          "trust",
          "its fingerprint was not compared",
          `Compare what its people read to you with \`parley org show ${target}\`, then: parley org trust ${target} --fingerprint ...`,
        );
  }

  /** This organisation, as the router has it. */
  async function registration(): Promise<common.Finding[]> {
    const findings = new Findings(SOURCE, "router");
    try {
      const { organisation } = await router.identity.getOrganisation({ organisationId: own.id });
      if (organisation?.revoked)
        return [
          findings.failed("registration", `${own.id} is revoked at the router`, "Ask the router's operator why."),
        ];
      if (!organisation || organisationFingerprint(organisation) !== own.fingerprint)
        return [findings.failed("registration", "the router knows this organisation with other keys", "Enrol again.")];
      return [
        findings.ok("registration", `known as ${own.id}, ${organisation.workerEndpoints.length} worker addresses`),
      ];
    } catch (error) {
      return [findings.failed("registration", fromServiceError(error).message, "See how identity is reached, below.")];
    }
  }

  async function* about(partner: string): AsyncGenerator<common.Finding, void> {
    yield trustOf(partner, partner);
    const findings = new Findings(SOURCE, partner);
    const isUsed = vault.agreements.current().some((held) => held.party === 1 && held.partner === partner);
    try {
      const { organisation } = await router.identity.getOrganisation({ organisationId: partner });
      if (organisation?.revoked)
        yield findings.failed("registration", `${partner} is revoked at the router`, "Ask the router's operator.");
      else if (isUsed && endpoints.of(partner).length + (organisation?.workerEndpoints.length ?? 0) === 0)
        yield findings.failed("workers", `${partner} has no worker`, `Ask ${partner} to start one.`);
    } catch (error) {
      yield findings.failed(
        "registration",
        fromServiceError(error).message,
        `Ask the router's operator about ${partner}.`,
      );
    }
  }
}
