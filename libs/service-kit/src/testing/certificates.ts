import { createAuthority, createKeyAndCsr, issueCertificate, type Authority } from "@parley/agreement";
import { CertificateHolder } from "../tls/certificate-holder.js";

export interface TestOrganisation {
  readonly id: string;
  readonly authority: Authority;
  readonly bundle: readonly Uint8Array[];
  /** A certificate of a role, under this organisation's authority; `as` names another organisation (which must be refused). */
  certificate(role: string): Promise<CertificateHolder>;
}

/** An organisation with an authority of its own. */
export async function testOrganisation(id: string): Promise<TestOrganisation> {
  const authority = await createAuthority({ org: id });
  return {
    id,
    authority,
    bundle: [authority.certificateDer],
    async certificate(role) {
      const { privateKeyPem, csrDer } = await createKeyAndCsr();
      const { pem } = await issueCertificate(authority, {
        org: id,
        role,
        dnsNames: ["localhost"],
        csrDer,
        validHours: 1,
      });
      return new CertificateHolder({ certificatePem: `${pem.trim()}\n${authority.certificatePem}`, privateKeyPem });
    },
  };
}
