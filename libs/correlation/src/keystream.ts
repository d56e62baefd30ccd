import { createCipheriv } from "node:crypto";
import type { Cipheriv, KeyObject } from "node:crypto";

/** The generator is fastest in pieces of this size: large against a call's own cost, small against the caches. */
const PIECE_BYTES = 64 * 1024;
const CIPHER_BLOCK = 16;
const ZEROS = Buffer.alloc(PIECE_BYTES);

/** The key stream of AES-256-CTR under a key of one purpose, read front to back from `offset` (a multiple of 16). */
export class Keystream {
  private readonly cipher: Cipheriv;

  constructor(key: KeyObject, offset = 0) {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset % CIPHER_BLOCK !== 0)
      throw new RangeError(`a key stream cannot start at byte ${offset}`);
    const counter = Buffer.alloc(CIPHER_BLOCK);
    counter.writeBigUInt64BE(BigInt(offset / CIPHER_BLOCK), 8);
    this.cipher = createCipheriv("aes-256-ctr", key, counter);
  }

  /** Overwrites `target` with the next bytes. */
  fill(target: Uint8Array): void {
    for (let at = 0; at < target.length; at += PIECE_BYTES) {
      const bytes = Math.min(PIECE_BYTES, target.length - at);
      const piece = this.cipher.update(bytes === PIECE_BYTES ? ZEROS : ZEROS.subarray(0, bytes));
      target.set(piece, at);
      piece.fill(0);
      // Not left to the collector: the memory is used again while it is in the cache.
      piece.buffer.transfer(0);
    }
  }
}
