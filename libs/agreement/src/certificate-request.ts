import "reflect-metadata";
import { Pkcs10CertificateRequest, Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import { createPrivateKey, webcrypto } from "node:crypto";
import { AgreementError } from "./error.js";

/** P-256 with SHA-256: what every TLS stack accepts. */
export const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** A fresh P-256 key and a PKCS #10 request for it. The request carries no name: the authority that signs decides on it. */
export async function createKeyAndCsr(): Promise<{ privateKeyPem: string; csrDer: Uint8Array }> {
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const request = await Pkcs10CertificateRequestGenerator.create(
    { name: [{ CN: ["request"] }], keys, signingAlgorithm: KEY_ALGORITHM },
    webcrypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  const key = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  return {
    privateKeyPem: key.export({ format: "pem", type: "pkcs8" }).toString(),
    csrDer: Buffer.from(request.rawData),
  };
}

/** The P-256 key of a request whose own signature is valid. @throws AgreementError CERTIFICATE_SIGNING_REQUEST_INVALID */
export async function publicKeyOfCsr(csrDer: Uint8Array): Promise<webcrypto.CryptoKey> {
  try {
    const request = new Pkcs10CertificateRequest(new Uint8Array(csrDer));
    const key = await request.publicKey.export(KEY_ALGORITHM, ["verify"], webcrypto);
    if (await request.verify(webcrypto)) return key;
  } catch (cause) {
    throw new AgreementError(
      "CERTIFICATE_SIGNING_REQUEST_INVALID",
      "the certificate signing request cannot be read as PKCS #10 with a P-256 key",
      "Make the request with createKeyAndCsr, or with an EC P-256 key.",
      { cause },
    );
  }
  throw new AgreementError(
    "CERTIFICATE_SIGNING_REQUEST_INVALID",
    "the certificate signing request is not signed by the key that it holds",
  );
}
