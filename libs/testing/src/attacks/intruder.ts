import {
  createAuthority,
  createKeyAndCsr,
  enrolmentProof,
  fetchIssuerAuthority,
  generateSigningKey,
  issueCertificate,
  loadAuthority,
  organisationFingerprint,
  parseOneTimeToken,
  secretHashOf,
  type Authority,
} from "@parley/agreement";
import { Code, dealer, enrolment, type ParleyError, type ServiceClient } from "@parley/proto";
import { CertificateHolder, connect, pinnedChannelCredentials } from "@parley/service-kit";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Running } from "../e2e/fixture.js";
import type { Organisation } from "../system/index.js";

/** What a call was refused with, as "CODE REASON"; "no error" where it was not. */
export const refusal = (call: Promise<unknown>) =>
  call.then(
    () => "no error",
    (error: ParleyError) => `${Code[error.code]} ${error.reason}`,
  );

/** Reads a stream to its end. */
export async function drain<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of stream) all.push(one);
  return all;
}

/** A certificate of a role under an authority, which may name another organisation than its own. */
export async function certificateOf(
  authority: Authority,
  role: string,
  as = authority.org,
): Promise<CertificateHolder> {
  const { privateKeyPem, csrDer } = await createKeyAndCsr();
  const leaf = { org: as, role, dnsNames: ["localhost"], csrDer, validHours: 1 };
  const { pem } = await issueCertificate({ ...authority, org: as }, leaf);
  return new CertificateHolder({ certificatePem: `${pem.trim()}\n${authority.certificatePem}`, privateKeyPem });
}

/** An organisation's own authority, as whoever broke into its vault would have it. */
export const authorityOf = ({ folder }: Organisation): Authority =>
  loadAuthority({
    certificatePem: readFileSync(join(folder, "ca.pem"), "utf8"),
    privateKeyPem: readFileSync(join(folder, "ca-key.pem"), "utf8"),
  });

/** The dealer, called with a certificate and, where given, a token of the router. */
export const dealerClient = (
  running: Running,
  own: CertificateHolder,
  token?: string,
): ServiceClient<typeof dealer.DealerServiceService> =>
  connect(dealer.DealerServiceService, {
    address: running.addresses.dealer,
    own,
    server: { org: "dealer", role: "dealer", bundle: () => [running.dealerOperator.authority.certificateDer] },
    ...(token && { token: () => Promise.resolve(token) }),
  });

/** Keys of an organisation of one's own making. */
export async function makeOrganisation(id: string) {
  const key = generateSigningKey();
  const authority = await createAuthority({ org: id });
  const keys = { id, bundle: [Buffer.from(authority.certificateDer)], signingKey: Buffer.from(key.publicKey) };
  const fingerprint = organisationFingerprint(keys);
  const described = { ...keys, workerEndpoints: ["localhost:1"], fingerprint, revoked: false };
  return { ...keys, privateKey: key.privateKeyPem, authority, fingerprint, described };
}
export type Made = Awaited<ReturnType<typeof makeOrganisation>>;

/** Enrols an organisation with a one-time token, as its access point would. */
export async function enrolWith(token: string, organisation: Made): Promise<void> {
  const { address, secret, caSha256 } = parseOneTimeToken(token);
  const authority = await fetchIssuerAuthority({ address, caSha256 });
  const client = connect(enrolment.EnrolmentServiceService, {
    address,
    credentials: pinnedChannelCredentials(new X509Certificate(authority).toString()),
  });
  const proof = Buffer.from(enrolmentProof(organisation.privateKey, secretHashOf(secret), organisation.id));
  await client.enrol({ secret, organisation: organisation.described, proof }).finally(() => client.close());
}

/** Audit entries of an access point, with their details read. */
export async function audited(
  { client }: Running["a"],
  action: string,
): Promise<{ subject: string; details: Record<string, string> }[]> {
  const found: { subject: string; details: Record<string, string> }[] = [];
  for (let token = ""; ;) {
    const { entries, nextToken } = await client.listAudit({ subject: "", page: { limit: 1000, token } });
    for (const entry of entries)
      if (entry.action === action)
        found.push({ subject: entry.subject, details: JSON.parse(entry.details || "{}") as Record<string, string> });
    if (nextToken === "") return found;
    token = nextToken;
  }
}
