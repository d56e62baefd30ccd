import { Code, ParleyError } from "@parley/proto";
import type { Peer } from "../tls/peer.js";

const SELF_TEST = "-self-test";

/** Name of the organisation with which `org` tries its installation. */
export const selfTestOf = (org: string): string => `${org}${SELF_TEST}`;

/**
 * Who may make an enrolment token: the operator's people, and, only where self tests are allowed, an access point for its own
 * self-test organisation.
 * @returns the actor for the audit log
 * @throws ParleyError PERMISSION_DENIED
 */
export function inviterOf(
  peer: Pick<Peer, "org" | "role"> | undefined,
  organisationId: string,
  { domain, selfTest }: { readonly domain: string; readonly selfTest: boolean },
): string {
  if (peer?.role === "operator" && peer.org === domain) {
    if (!organisationId.endsWith(SELF_TEST)) return `${domain}/operator`;
    // An access point could take such a name over where self tests are allowed.
    throw new ParleyError(
      Code.INVALID_ARGUMENT,
      "NAME_RESERVED",
      `names that end in ${SELF_TEST} are for self tests`,
      "Choose another name.",
    );
  }
  if (selfTest && peer?.role === "access-point" && organisationId === selfTestOf(peer.org))
    return `${peer.org}/access-point`;
  throw new ParleyError(
    Code.PERMISSION_DENIED,
    "INVITATION_REFUSED",
    peer ? `${peer.org}/${peer.role} may not invite ${organisationId}` : "this caller may not invite anybody",
    selfTest
      ? "Enrolment tokens come from the operator's people; an access point may invite its own self-test organisation."
      : "Enrolment tokens come from the operator's people. For self tests they set PARLEY_ALLOW_SELF_TEST, in trials only.",
  );
}
