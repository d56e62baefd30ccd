import "reflect-metadata";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate as GeneratedCertificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { createPrivateKey, randomBytes, webcrypto, X509Certificate, type KeyObject } from "node:crypto";
import { KEY_ALGORITHM, publicKeyOfCsr } from "./certificate-request.js";
import { AgreementError } from "./error.js";
import { requireName, spiffeName } from "./name.js";

/** Certificates start this long before they are made, for clocks that differ. */
const BACKDATE_MS = 5 * 60_000;
const YEAR_MS = 365.25 * 86_400_000;

/** A certificate authority of one organisation. It issues names of this organisation only. */
export interface Authority {
  readonly org: string;
  readonly certificateDer: Uint8Array;
  readonly certificatePem: string;
  /** PKCS #8, P-256. */
  readonly privateKeyPem: string;
}

/** What a leaf certificate is to say. Exactly one of `publicKey` and `csrDer`. */
export interface LeafRequest {
  readonly org: string;
  readonly role: string;
  /** Host names that TLS clients check, beside the SPIFFE name. */
  readonly dnsNames: readonly string[];
  readonly publicKey?: KeyObject;
  readonly csrDer?: Uint8Array;
  readonly validHours: number;
}

/** Makes an authority with a fresh P-256 key, `spiffe://ORG` as its name, valid for `years` (10). @throws AgreementError NAME_INVALID */
export async function createAuthority(settings: { org: string; years?: number }): Promise<Authority> {
  const org = requireName(settings.org, "organisation");
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const notBefore = new Date(Date.now() - BACKDATE_MS);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      name: [{ O: [org] }, { CN: [`${org} authority`] }],
      notBefore,
      notAfter: new Date(notBefore.getTime() + (settings.years ?? 10) * YEAR_MS),
      keys,
      signingAlgorithm: KEY_ALGORITHM,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        new SubjectAlternativeNameExtension([{ type: "url", value: `spiffe://${org}` }]),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  const privateKeyPem = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" })
    .export({ format: "pem", type: "pkcs8" })
    .toString();
  return { org, ...encodings(certificate), privateKeyPem };
}

/** An authority from what {@link createAuthority} returned as PEM. @throws AgreementError CERTIFICATE_INVALID where key and certificate do not fit */
export function loadAuthority(pem: { certificatePem: string; privateKeyPem: string }): Authority {
  const certificate = new X509Certificate(pem.certificatePem);
  const org = /^URI:spiffe:\/\/([^/,"]+)$/.exec(certificate.subjectAltName ?? "")?.[1];
  if (org === undefined || !certificate.ca)
    throw new AgreementError("CERTIFICATE_INVALID", "the certificate is not an authority named spiffe://ORGANISATION");
  if (!certificate.checkPrivateKey(createPrivateKey(pem.privateKeyPem)))
    throw new AgreementError("CERTIFICATE_INVALID", `the authority of ${org} does not belong to its private key file`);
  return {
    org: requireName(org, "organisation"),
    certificateDer: certificate.raw,
    certificatePem: certificate.toString(),
    privateKeyPem: pem.privateKeyPem,
  };
}

/**
 * Issues a leaf certificate for client and server use, named `spiffe://ORG/ROLE` plus the DNS names.
 * @throws AgreementError NAME_INVALID, also for another organisation's name; CERTIFICATE_SIGNING_REQUEST_INVALID
 */
export async function issueCertificate(
  authority: Authority,
  leaf: LeafRequest,
): Promise<{ der: Uint8Array; pem: string }> {
  if (leaf.org !== authority.org)
    throw new AgreementError("NAME_INVALID", `the authority of ${authority.org} cannot issue names of ${leaf.org}`);
  const name = spiffeName(leaf.org, leaf.role);
  const publicKey = await leafPublicKey(leaf);
  const key = createPrivateKey(authority.privateKeyPem).export({ format: "der", type: "pkcs8" });
  const signingKey = await webcrypto.subtle.importKey("pkcs8", key, KEY_ALGORITHM, false, ["sign"]);
  const issuer = new GeneratedCertificate(authority.certificateDer);
  const now = Date.now();
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject: [{ O: [leaf.org] }, { CN: [leaf.role] }],
      issuer: issuer.subject,
      notBefore: new Date(now - BACKDATE_MS),
      notAfter: new Date(Math.min(now + leaf.validHours * 3_600_000, issuer.notAfter.getTime())),
      publicKey,
      signingKey,
      signingAlgorithm: KEY_ALGORITHM,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth, ExtendedKeyUsage.serverAuth]),
        new SubjectAlternativeNameExtension([
          { type: "url", value: name },
          ...leaf.dnsNames.map((value) => ({ type: "dns" as const, value })),
        ]),
        await AuthorityKeyIdentifierExtension.create(issuer, false, webcrypto),
        await SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  const { certificateDer, certificatePem } = encodings(certificate);
  return { der: certificateDer, pem: certificatePem };
}

async function leafPublicKey(leaf: LeafRequest): Promise<webcrypto.CryptoKey> {
  if ((leaf.publicKey === undefined) === (leaf.csrDer === undefined))
    throw new TypeError("issueCertificate takes exactly one of publicKey and csrDer");
  if (leaf.csrDer !== undefined) return publicKeyOfCsr(leaf.csrDer);
  const spki = leaf.publicKey!.export({ format: "der", type: "spki" });
  return webcrypto.subtle.importKey("spki", spki, KEY_ALGORITHM, true, ["verify"]);
}

/** 16 random bytes, the first below 0x80 and not 0, so that the number is positive and has a fixed length. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] & 0x7f) | 0x40;
  return bytes.toString("hex");
}

function encodings(certificate: GeneratedCertificate): { certificateDer: Uint8Array; certificatePem: string } {
  const der = Buffer.from(certificate.rawData);
  return { certificateDer: der, certificatePem: new X509Certificate(der).toString() };
}
