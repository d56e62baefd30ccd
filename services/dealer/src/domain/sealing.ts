import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Logger } from "@parley/service-kit";

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

/** Reads the key-encryption key, 32 bytes or their hex. Development makes one where it is missing; production refuses. */
export function readKek(file: string, production: boolean, logger: Logger): Buffer {
  if (!existsSync(file)) {
    if (production)
      throw new Error(
        `the key-encryption key ${file} is missing; mount a secret of 32 random bytes and set PARLEY_DEALER_KEK_FILE`,
      );
    logger.warn({ file }, "a key-encryption key was made at start; for demonstrations only");
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, randomBytes(32), { mode: 0o600 });
  }
  const content = readFileSync(file);
  const text = content.toString("latin1").trim();
  return /^[0-9a-fA-F]{64}$/.test(text) ? Buffer.from(text, "hex") : content;
}
