import { createAuthority, createKeyAndCsr, issueCertificate } from "@parley/agreement";
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { freshFolder } from "../testing/databases.js";
import { certificateFromFiles } from "./certificate-holder.js";

const certificates = (pem: string) => pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];

it.each([
  ["without", 1],
  ["with", 2],
] as const)("presents the authority once where the file comes %s it", async (_, length) => {
  const authority = await createAuthority({ org: "router" });
  const { privateKeyPem, csrDer } = await createKeyAndCsr();
  const leaf = { org: "router", role: "identity", dnsNames: ["localhost"], csrDer, validHours: 1 };
  const { pem } = await issueCertificate(authority, leaf);
  const folder = freshFolder();
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const { holder, close } = certificateFromFiles({
    certificate: file("tls.crt", [pem, authority.certificatePem].slice(0, length).join("")),
    privateKey: file("tls.key", privateKeyPem),
    authorities: file("ca.crt", authority.certificatePem),
  });
  close();
  const chain = certificates(holder.current.certificatePem);
  expect(chain).toHaveLength(2);
  expect(new X509Certificate(chain[0] ?? "").subject).toContain("CN=identity");
  expect(new X509Certificate(chain[1] ?? "").raw).toEqual(Buffer.from(authority.certificateDer));
});
