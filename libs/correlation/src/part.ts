import { stepKey } from "./key-derivation.js";
import { Keystream } from "./keystream.js";

/** What a worker got from the dealer: a key and, at P1, explicit corrections. */
export interface Part {
  /** 32 bytes; erased by {@link ExpandedPart.close}, taken over. */
  readonly key: Uint8Array;
  /** P1 only: the corrections in the order of steps, in pieces of any size. */
  readonly corrections?: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

const NONE: Uint8Array[] = [];

/** One party's part of a batch, read front to back: what a session draws from (PartyCorrelations of @parley/protocol). */
export class ExpandedPart {
  private readonly streams = new Map<number, Keystream>();
  private readonly source: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  private piece: Uint8Array = new Uint8Array(0);
  private closed = false;

  constructor(private readonly part: Part) {
    const pieces = part.corrections ?? NONE;
    this.source = Symbol.asyncIterator in pieces ? pieces[Symbol.asyncIterator]() : pieces[Symbol.iterator]();
  }

  /** Next bytes of the stream of (batch, role, step). @throws Error after close() */
  own(step: number, target: Uint8Array): void {
    if (this.closed) throw new Error("the batch's part is erased: a session needs a new batch");
    let stream = this.streams.get(step);
    if (!stream) this.streams.set(step, (stream = new Keystream(stepKey(this.part.key, step))));
    stream.fill(target);
  }

  /** Next corrections. @throws Error where the dealer sent fewer, or after close() */
  async corrections(target: Uint8Array): Promise<void> {
    for (let at = 0; at < target.length;) {
      if (this.closed) throw new Error("the batch's part is erased: a session needs a new batch");
      if (this.piece.length === 0) {
        const next = await this.source.next();
        if (next.done === true) throw new Error("the dealer sent too few corrections: a session needs a new batch");
        this.piece = new Uint8Array(next.value.buffer, next.value.byteOffset, next.value.byteLength);
        continue;
      }
      const bytes = Math.min(this.piece.length, target.length - at);
      target.set(this.piece.subarray(0, bytes), at);
      this.piece.fill(0, 0, bytes);
      this.piece = this.piece.subarray(bytes);
      at += bytes;
    }
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.part.key.fill(0);
    this.piece.fill(0);
    this.streams.clear();
    void this.source.return?.();
  }
}
