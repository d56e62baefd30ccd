import type { SealingKey, SealingKeys } from "@parley/service-kit";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

const NONCE = 12;
const TAG = 16;

/**
 * Seals keys for the database: AES-256-GCM under a key-encryption key that is kept outside of it. While that is replaced
 * there are two: either opens, and the database says under which one is sealed.
 */
export class Sealing {
  readonly #known: readonly SealingKey[];

  constructor(readonly keys: SealingKeys) {
    const { current, next, former } = keys;
    this.#known = [current, next, former].filter((one) => one !== undefined);
    if (this.#known.some(({ key }) => key.length !== 32)) throw new Error("a key-encryption key must have 32 bytes");
  }

  /** Whether what is sealed under the key-encryption key of that id opens here. */
  knows(id: string): boolean {
    return this.#known.some((one) => one.id === id);
  }

  /**
   * @param name what the key is for; a sealed key opens under its own name only
   * @param under id of the key-encryption key
   * @throws Error where that one is not known here
   */
  seal(key: Uint8Array, name: Uint8Array, under: string): Buffer {
    const kek = this.#known.find(({ id }) => id === under);
    if (!kek)
      throw new Error(
        `the database's key-encryption key is ${under}, which is not known here: it was replaced; start again with the new one`,
      );
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv("aes-256-gcm", kek.key, nonce).setAAD(name);
    return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
  }

  /** @throws Error where it was sealed under a key that is not known here, or for another name */
  open(sealed: Buffer, name: Uint8Array): Buffer {
    for (const kek of this.#known) {
      const key = openUnder(kek, sealed, name);
      if (key) return key;
    }
    throw new Error("a sealed key does not open: the key-encryption key is not the one it was sealed under");
  }

  /** What another known key-encryption key sealed, sealed under the current one; undefined where it is. @throws as `open` */
  renew(sealed: Buffer, name: Uint8Array): Buffer | undefined {
    const { current } = this.keys;
    const already = openUnder(current, sealed, name);
    const key = already ?? this.open(sealed, name);
    try {
      return already ? undefined : this.seal(key, name, current.id);
    } finally {
      key.fill(0);
    }
  }
}

function openUnder({ key }: SealingKey, sealed: Buffer, name: Uint8Array): Buffer | undefined {
  if (sealed.length < NONCE + TAG) return undefined;
  const cipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE)).setAAD(name);
  cipher.setAuthTag(sealed.subarray(-TAG));
  try {
    return Buffer.concat([cipher.update(sealed.subarray(NONCE, -TAG)), cipher.final()]);
  } catch {
    return undefined;
  }
}
