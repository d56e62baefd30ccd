/** A message costs as much as some 100 KiB in it. */
const PIECE_BYTES = 256 * 1024;

/** Joins short chunks to messages of a good size. What is large already passes as it is. */
export class Pieces {
  #held: Uint8Array[] = [];
  #bytes = 0;

  *put(chunk: Uint8Array): Generator<Buffer> {
    if (this.#bytes + chunk.length > PIECE_BYTES) yield* this.rest();
    this.#held.push(chunk);
    this.#bytes += chunk.length;
  }

  *rest(): Generator<Buffer> {
    const held = this.#held;
    if (!held.length) return;
    this.#held = [];
    this.#bytes = 0;
    yield held.length === 1 ? Buffer.from(held[0].buffer, held[0].byteOffset, held[0].length) : Buffer.concat(held);
  }
}
