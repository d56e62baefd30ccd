import { AgreementError } from "./error.js";

/** Who a certificate names: an organisation (its trust domain) and a role in it. */
export interface PeerName {
  readonly org: string;
  readonly role: string;
}

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** True for lower-case letters, digits and inner hyphens, 1 to 63 of them: what an organisation or a role may be called. */
export const isName = (text: string): boolean => LABEL.test(text);

/** @throws AgreementError NAME_INVALID */
export function requireName(text: string, what: string): string {
  if (!isName(text))
    throw new AgreementError(
      "NAME_INVALID",
      `${what} ${JSON.stringify(text.slice(0, 80))} is not a valid name`,
      "Use 1 to 63 lower-case letters, digits and inner hyphens.",
    );
  return text;
}

/** The SPIFFE id `spiffe://ORG/ROLE`. @throws AgreementError NAME_INVALID */
export function spiffeName(org: string, role: string): string {
  return `spiffe://${requireName(org, "organisation")}/${requireName(role, "role")}`;
}

/** Reads `spiffe://ORG/ROLE`, one path segment only. @throws AgreementError NAME_INVALID */
export function parseSpiffe(uri: string): PeerName {
  const [, org, role] = /^spiffe:\/\/([^/]*)\/([^/]*)$/.exec(uri) ?? [];
  if (org === undefined || role === undefined)
    throw new AgreementError(
      "NAME_INVALID",
      `${JSON.stringify(uri.slice(0, 200))} is not a name of the form spiffe://ORGANISATION/ROLE`,
    );
  return { org: requireName(org, "organisation"), role: requireName(role, "role") };
}
