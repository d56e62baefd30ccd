import { createAuthority, createKeyAndCsr, issueCertificate, loadAuthority, type Authority } from "@parley/agreement";
import { X509Certificate } from "node:crypto";
import type { Secrets, StoredSecret } from "./kubernetes.js";

/** Renewed at half of it. */
const VALID_HOURS = 90 * 24;

/** The operator's authority, from its Secret; made where there is none yet, never replaced. */
export async function ensureAuthority(secrets: Secrets, name: string, domain: string): Promise<Authority> {
  const held = await secrets.get(name);
  if (held) {
    const [certificatePem, privateKeyPem] = ["ca.crt", "ca.key"].map((key) => held.data[key]?.toString() ?? "");
    return loadAuthority({ certificatePem, privateKeyPem });
  }
  const made = await createAuthority({ org: domain });
  const data = { "ca.crt": Buffer.from(made.certificatePem), "ca.key": Buffer.from(made.privateKeyPem) };
  // Where another Job was first, its authority is the one.
  return (await secrets.create(name, { data })) ? made : ensureAuthority(secrets, name, domain);
}

export interface CertificateSettings {
  /** Name of the TLS Secret. */
  readonly name: string;
  readonly role: string;
  readonly dnsNames: readonly string[];
}

/** A service's certificate: made where it is absent, of another authority, without a name it needs, or past half of its life. @returns whether it is new */
export async function ensureCertificate(
  secrets: Secrets,
  authority: Authority,
  { name, role, dnsNames }: CertificateSettings,
  now = new Date(),
): Promise<boolean> {
  const held = await secrets.get(name);
  if (held && isGood(held, authority, dnsNames, now)) return false;
  const { privateKeyPem, csrDer } = await createKeyAndCsr();
  const request = { org: authority.org, role, dnsNames, csrDer, validHours: VALID_HOURS };
  const { pem } = await issueCertificate(authority, request);
  const data = {
    "tls.crt": Buffer.from(`${pem.trim()}\n${authority.certificatePem}`),
    "tls.key": Buffer.from(privateKeyPem),
    "ca.crt": Buffer.from(authority.certificatePem),
  };
  const secret = { type: "kubernetes.io/tls", data };
  return held ? secrets.replace(name, secret, held) : secrets.create(name, secret);
}

function isGood({ data }: StoredSecret, authority: Authority, dnsNames: readonly string[], now: Date): boolean {
  try {
    const leaf = new X509Certificate(data["tls.crt"]);
    const [from, to] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
    const issued = leaf.checkIssued(new X509Certificate(authority.certificatePem));
    return issued && dnsNames.every((dns) => leaf.checkHost(dns)) && now.getTime() < (from + to) / 2;
  } catch {
    return false;
  }
}
