import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from "node:crypto";
import { AgreementError } from "./error.js";

/** An Ed25519 private key: PKCS #8 PEM, or already read. */
export type PrivateKey = string | KeyObject;

/** An organisation that signs. */
export interface Signer {
  readonly org: string;
  readonly privateKey: PrivateKey;
}

const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const RAW_KEY_BYTES = 32;

/** A fresh Ed25519 key: PKCS #8 PEM, and the raw 32 public bytes. */
export function generateSigningKey(): { privateKeyPem: string; publicKey: Uint8Array } {
  const { privateKey } = generateKeyPairSync("ed25519");
  return {
    privateKeyPem: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
    publicKey: signingPublicKey(privateKey),
  };
}

/** The raw 32 public bytes of a private key. @throws AgreementError KEY_INVALID */
export function signingPublicKey(privateKey: PrivateKey): Uint8Array {
  const spki = createPublicKey(readPrivateKey(privateKey)).export({ format: "der", type: "spki" });
  return spki.subarray(SPKI_PREFIX.length);
}

/** Ed25519 over `message`, 64 bytes. @throws AgreementError KEY_INVALID */
export const signBytes = (privateKey: PrivateKey, message: Uint8Array): Uint8Array =>
  sign(null, message, readPrivateKey(privateKey));

/** Checks an Ed25519 signature under a raw 32-byte key. @throws AgreementError KEY_INVALID */
export function verifyBytes(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== RAW_KEY_BYTES)
    throw new AgreementError("KEY_INVALID", `a signing key has 32 bytes, this one has ${publicKey.length}`);
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: "der", type: "spki" });
  return signature.length === 64 && verify(null, message, key, signature);
}

/** @throws AgreementError KEY_INVALID */
export function readPrivateKey(key: PrivateKey): KeyObject {
  const read = typeof key === "string" ? createPrivateKey(key) : key;
  if (read.asymmetricKeyType !== "ed25519")
    throw new AgreementError("KEY_INVALID", `a signing key is Ed25519, this one is ${read.asymmetricKeyType}`);
  return read;
}
