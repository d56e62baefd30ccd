import { X509Certificate, createPrivateKey, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { generateSigningKey, signingPublicKey } from "@parley/agreement";
import type { Logger } from "../telemetry/logger.js";

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

const KEK_BYTES = 32;

/**
 * A service's key-encryption key: 32 bytes, or their hex. Where the file is missing, development makes one, with a warning;
 * production refuses.
 * @param variable the environment variable that names the file, for messages
 */
export function readKek(file: string, variable: string, production: boolean, logger: Logger): Buffer {
  if (!existsSync(file)) {
    if (production)
      throw new Error(`${variable} does not exist; production makes no keys at start: mount a file of 32 random bytes`);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, randomBytes(KEK_BYTES), { mode: 0o600, flag: "wx" });
    logger.warn({ variable }, "made a key-encryption key at start, for development only");
  }
  const content = readFileSync(file);
  const text = content.toString("latin1").trim();
  const kek = /^[0-9a-fA-F]{64}$/.test(text) ? Buffer.from(text, "hex") : content;
  if (kek.length !== KEK_BYTES) throw new Error(`the file of ${variable} has ${kek.length} bytes, not ${KEK_BYTES}`);
  return kek;
}
