import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

const NONCE = 12;
const TAG = 16;

/** Seals keys for the database: AES-256-GCM under a key-encryption key that is kept outside of it. */
export class Sealing {
  constructor(private readonly kek: Buffer) {
    if (kek.length !== 32) throw new Error("the key-encryption key must have 32 bytes");
  }

  /** @param name what the key is for; a sealed key opens under its own name only */
  seal(key: Uint8Array, name: Uint8Array): Buffer {
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv("aes-256-gcm", this.kek, nonce).setAAD(name);
    return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
  }

  /** @throws Error where it was sealed under another key or for another name */
  open(sealed: Buffer, name: Uint8Array): Buffer {
    const cipher = createDecipheriv("aes-256-gcm", this.kek, sealed.subarray(0, NONCE)).setAAD(name);
    cipher.setAuthTag(sealed.subarray(-TAG));
    try {
      return Buffer.concat([cipher.update(sealed.subarray(NONCE, -TAG)), cipher.final()]);
    } catch (cause) {
      throw new Error("a sealed key does not open: the key-encryption key is not the one it was sealed under", {
        cause,
      });
    }
  }
}
