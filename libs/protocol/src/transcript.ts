import { createHash } from "node:crypto";

const HEADER_BYTES = 9;

/** Running SHA-256 over (sender, step, length, bytes) of every step, in the order of the stream. */
export class Transcript {
  private readonly hash = createHash("sha256");
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private readonly pending: { from: 0 | 1; step: number; bytes: Uint8Array }[] = [];

  /** Notes a step; it is hashed by the next {@link settle}, so its bytes must not change until then. */
  note(from: 0 | 1, step: number, bytes: Uint8Array): void {
    this.pending.push({ from, step, bytes });
  }

  /** Hashes what was noted, where it is at least so many steps. Called where the party waits anyway. */
  settle(atLeast = 1): void {
    if (this.pending.length < atLeast) return;
    for (const { from, step, bytes } of this.pending.splice(0)) {
      this.header.writeUInt8(from, 0);
      this.header.writeUInt32LE(step, 1);
      this.header.writeUInt32LE(bytes.length, 5);
      this.hash.update(this.header).update(bytes);
    }
  }

  /** Drops what is noted and not hashed: its memory is about to be erased. */
  forget(): void {
    this.pending.length = 0;
  }

  /** The value so far. */
  digest(): Uint8Array {
    this.settle();
    return new Uint8Array(this.hash.copy().digest());
  }
}
