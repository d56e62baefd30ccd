import { verifyLeaf } from "@parley/agreement";
import { Code, ParleyError } from "@parley/proto";
import type { Peer } from "@parley/service-kit";
import type { AgreementSet } from "../models/agreement-set.js";
import type { WorkingAgreement } from "../models/agreement.js";

export const refused = (message: string, hint: string) =>
  new ParleyError(Code.FAILED_PRECONDITION, "NO_AGREEMENT", message, hint);

/** P0: the agreement that a Hello names, under which the peer's certificate must be good. @throws ParleyError */
export function admit(agreements: AgreementSet, digest: Buffer, peer: Peer): WorkingAgreement {
  const agreement = agreements.get(digest.toString("hex"));
  if (!agreement || agreement.party !== 0)
    throw refused(
      "there is no active agreement with that digest here",
      "Offer and accept one, or wait until both access points know it.",
    );
  if (!isWorkerOf(agreement, peer))
    throw new ParleyError(
      Code.PERMISSION_DENIED,
      "PEER_REFUSED",
      `${peer.org}/${peer.role} with that certificate is not a worker of the agreement's data owner`,
      "Use the data owner's own workers, under an authority that the agreement pins.",
    );
  return agreement;
}

function isWorkerOf({ partner }: WorkingAgreement, peer: Peer): boolean {
  try {
    const { org, role } = verifyLeaf(peer.certificate, partner.bundle);
    return org === partner.org && role === "worker";
  } catch {
    return false; // of another authority than the agreement pins
  }
}

/** @throws ParleyError FAILED_PRECONDITION where an agreement is not in force any more, or has another mask */
export function requireActive(agreements: AgreementSet, agreement: WorkingAgreement): void {
  const now = agreements.get(agreement.id);
  if (!now?.mask || !agreement.mask || !now.mask.id.equals(agreement.mask.id))
    throw new ParleyError(
      Code.FAILED_PRECONDITION,
      "AGREEMENT_ENDED",
      "the agreement was revoked or has expired",
      "Make a new agreement.",
    );
}
