import { X509Certificate, createPrivateKey } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { generateSigningKey, signingPublicKey } from "@parley/agreement";

/** All certificates of a PEM file, DER. */
export function readBundle(file: string): Buffer[] {
  const blocks = readFileSync(file, "utf8").match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (!blocks.length) throw new Error(`${file} holds no certificate`);
  return blocks.map((block) => new X509Certificate(block).raw);
}

/**
 * A service's Ed25519 signing key from a PEM file. Where it is missing, development makes one there; production refuses.
 * @returns the key (PEM) and its raw public key
 */
export function readSigningKey(file: string, production: boolean): { privateKeyPem: string; publicKey: Buffer } {
  if (!existsSync(file)) {
    if (production)
      throw new Error(`the signing key ${file} is missing; make one and mount it (openssl genpkey -algorithm ed25519)`);
    writeFileSync(file, generateSigningKey().privateKeyPem, { mode: 0o600 });
  }
  const privateKeyPem = readFileSync(file, "utf8");
  if (createPrivateKey(privateKeyPem).asymmetricKeyType !== "ed25519") throw new Error(`${file} is not an Ed25519 key`);
  return { privateKeyPem, publicKey: Buffer.from(signingPublicKey(privateKeyPem)) };
}
