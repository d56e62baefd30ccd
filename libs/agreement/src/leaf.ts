import { createHash, X509Certificate } from "node:crypto";
import { AgreementError } from "./error.js";
import { parseSpiffe, type PeerName } from "./name.js";

/** SHA-256 of a certificate's DER encoding. */
export const thumbprint = (der: Uint8Array): Buffer => createHash("sha256").update(der).digest();

/** The name that a certificate claims. It proves nothing: use it to find the bundle to verify with. @throws AgreementError CERTIFICATE_INVALID, NAME_INVALID */
export const claimedName = (leafDer: Uint8Array): PeerName => nameOf(readCertificate(leafDer, "the certificate"));

/**
 * Verifies a leaf certificate against the bundle that is pinned *for the organisation that it claims*: issued and signed
 * directly by one authority of the bundle, both valid at `now`, the authority marked as one, the leaf not, exactly one
 * SPIFFE name. The caller compares the returned organisation with the bundle's.
 * @throws AgreementError CERTIFICATE_INVALID, NAME_INVALID
 */
export function verifyLeaf(leafDer: Uint8Array, bundle: readonly Uint8Array[], now = new Date()): PeerName {
  const leaf = readCertificate(leafDer, "the certificate");
  const name = nameOf(leaf);
  const called = `the certificate of ${name.org}/${name.role}`;
  const authority = bundle
    .map((der) => readCertificate(der, `an authority in the bundle of ${name.org}`))
    .find((candidate) => leaf.checkIssued(candidate) && leaf.verify(candidate.publicKey));
  if (authority === undefined)
    throw new AgreementError(
      "CERTIFICATE_INVALID",
      `${called} is not signed by an authority pinned for ${name.org}`,
      "Check that both sides pinned the other's current bundle.",
    );
  if (!authority.ca)
    throw new AgreementError("CERTIFICATE_INVALID", `the issuer of ${called} is not an authority (CA:FALSE)`);
  if (leaf.ca) throw new AgreementError("CERTIFICATE_INVALID", `${called} is an authority, not a leaf`);
  requireValidAt(leaf, called, now);
  requireValidAt(authority, `the authority of ${name.org}`, now);
  return name;
}

function readCertificate(der: Uint8Array, what: string): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw new AgreementError("CERTIFICATE_INVALID", `${what} cannot be read as X.509`, "", { cause });
  }
}

/** Node quotes names that hold separators (CVE-2021-44532); a certificate with such a name is refused as a whole. */
function nameOf(certificate: X509Certificate): PeerName {
  const text = certificate.subjectAltName ?? "";
  const uris = text.split(", ").filter((entry) => entry.startsWith("URI:"));
  if (text.includes('"') || uris.length !== 1)
    throw new AgreementError("CERTIFICATE_INVALID", "the certificate does not hold exactly one SPIFFE name");
  return parseSpiffe(uris[0].slice("URI:".length));
}

function requireValidAt(certificate: X509Certificate, called: string, now: Date) {
  if (now.getTime() < Date.parse(certificate.validFrom))
    throw new AgreementError(
      "CERTIFICATE_INVALID",
      `${called} is not valid before ${certificate.validFrom}`,
      "Check the clock.",
    );
  if (now.getTime() > Date.parse(certificate.validTo))
    throw new AgreementError("CERTIFICATE_INVALID", `${called} expired at ${certificate.validTo}`, "Renew it.");
}
