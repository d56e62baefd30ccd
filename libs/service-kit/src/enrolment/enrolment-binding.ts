import { isName, secretHashOf, verifyEnrolmentProof } from "@parley/agreement";
import { Code, ParleyError, enrolment, type common } from "@parley/proto";
import { X509Certificate } from "node:crypto";
import type { AuditLog } from "../database/audit-log.js";
import { implement, type Binding } from "../rpc/implement.js";
import type { TrustStore } from "../tls/trust-store.js";

const MAX_BUNDLE = 8;
const MAX_ENDPOINTS = 64;

export interface EnrolmentDependencies {
  /**
   * Consumes the token and stores the organisation, both or neither. Undefined where the token is unknown, used, expired
   * or for another organisation.
   */
  readonly enrol: (
    secretHash: Buffer,
    organisation: { id: string; bundle: readonly Buffer[]; signingKey: Buffer; endpoints: readonly string[] },
  ) => Promise<common.Organisation | undefined>;
  /** Called with what was stored. */
  readonly enrolled?: (organisation: common.Organisation) => void;
  readonly audit: AuditLog;
  readonly trust: TrustStore;
  /** The operator itself: what its people read out to be compared. */
  readonly issuer: common.Organisation;
  /** Addresses of its services for mutual TLS. */
  readonly services: () => Record<string, string>;
  /** Trust domains that no organisation may take. */
  readonly reserved: readonly string[];
}

const invalid = (message: string, hint: string) =>
  new ParleyError(Code.INVALID_ARGUMENT, "ENROLMENT_INVALID", message, hint);

/** First contact of organisations by one-time token, at the router and at the dealer alike. Server-side TLS only. */
export function enrolmentBinding(dependencies: EnrolmentDependencies): Binding {
  const { audit, trust, issuer } = dependencies;
  return implement<enrolment.EnrolmentServiceServer>(
    enrolment.EnrolmentServiceService,
    {
      enrol: async ({ secret, organisation, proof }) => {
        if (!organisation) throw invalid("no organisation was given", "Update the access point.");
        check(organisation, dependencies.reserved);
        const { id, bundle, signingKey, workerEndpoints: endpoints } = organisation;
        const secretHash = secretHashOf(secret);
        if (!verifyEnrolmentProof(signingKey, secretHash, id, proof))
          throw invalid(
            "the proof of possession of the signing key is not valid",
            "The access point must sign with the key that it enrols.",
          );
        const enrolled = await dependencies.enrol(secretHash, { id, bundle, signingKey, endpoints });
        if (!enrolled)
          throw new ParleyError(
            Code.PERMISSION_DENIED,
            "ENROLMENT_TOKEN_REFUSED",
            `the enrolment token is not valid for ${id}: unknown, used, expired or for another organisation`,
            "Ask the operator for a new one.",
          );
        trust.setBundle(id, bundle);
        const { fingerprint } = enrolled;
        await audit.append({
          action: "organisation.enrolled",
          actor: id,
          subject: id,
          details: { fingerprint },
          organisations: [id],
        });
        dependencies.enrolled?.(enrolled);
        return { organisation: enrolled, issuer, services: dependencies.services() };
      },
    },
    { all: {} },
  );
}

function check({ id, bundle, signingKey, workerEndpoints }: common.Organisation, reserved: readonly string[]) {
  if (!isName(id) || reserved.includes(id))
    throw invalid(
      `"${id.slice(0, 80)}" cannot be the name of an organisation`,
      "Use lower-case letters, digits and hyphens; names of operators are taken.",
    );
  if (signingKey.length !== 32) throw invalid("the signing key is not an Ed25519 public key", "Give its raw 32 bytes.");
  if (!bundle.length || bundle.length > MAX_BUNDLE)
    throw invalid(`a bundle holds 1 to ${MAX_BUNDLE} authorities`, "Remove authorities that are not in use.");
  if (!bundle.every(isAuthority))
    throw invalid("the bundle holds something that is not a certificate authority", "Give CA certificates, X.509 DER.");
  if (workerEndpoints.length > MAX_ENDPOINTS)
    throw invalid(`at most ${MAX_ENDPOINTS} endpoints can be given`, "Give the address of a load balancer.");
}

function isAuthority(der: Uint8Array): boolean {
  try {
    return new X509Certificate(der).ca;
  } catch {
    return false;
  }
}
