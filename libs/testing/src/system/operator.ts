import { createAuthority, createKeyAndCsr, issueCertificate, type Authority } from "@parley/agreement";
import { createClient, type ServiceClient } from "@parley/proto";
import { credentials } from "@grpc/grpc-js";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The operator of the router or of the dealer: its authority and the certificates it gives its services. For demos and tests. */
export interface Operator {
  readonly domain: string;
  readonly authority: Authority;
  /** Environment that names the certificate files of a service. */
  certificate(role: string): Promise<Record<string, string>>;
  /** A client that presents the operator's certificate. */
  client<D extends Parameters<typeof createClient>[0]>(definition: D, address: string): Promise<ServiceClient<D>>;
}

export async function createOperator(domain: string, folder: string): Promise<Operator> {
  mkdirSync(folder, { recursive: true });
  const authority = await createAuthority({ org: domain });
  const issue = async (role: string) => {
    const { privateKeyPem, csrDer } = await createKeyAndCsr();
    const leaf = await issueCertificate(authority, {
      org: domain,
      role,
      dnsNames: ["localhost"],
      csrDer,
      validHours: 24 * 30,
    });
    return { key: privateKeyPem, chain: `${leaf.pem.trim()}\n${authority.certificatePem}` };
  };
  return {
    domain,
    authority,
    async certificate(role) {
      const { key, chain } = await issue(role);
      const file = (kind: string, text: string) => {
        const path = join(folder, `${role}.${kind}.pem`);
        writeFileSync(path, text, { mode: 0o600 });
        return path;
      };
      return {
        PARLEY_TRUST_DOMAIN: domain,
        PARLEY_TLS_CERT: file("cert", chain),
        PARLEY_TLS_KEY: file("key", key),
        PARLEY_TLS_CA: file("ca", authority.certificatePem),
      };
    },
    async client(definition, address) {
      const { key, chain } = await issue("operator");
      const tls = credentials.createSsl(Buffer.from(authority.certificatePem), Buffer.from(key), Buffer.from(chain));
      return createClient(definition, { address, credentials: tls });
    },
  };
}
