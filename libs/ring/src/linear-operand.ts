import type { Ring } from "./ring.js";

/** A way to compute with one shape's fixed operand, chosen by public properties. Sizes are in bytes. */
export interface LinearMethod {
  readonly operandBytes: number;
  scratchBytes(records: number): number;
  /** Room that {@link pack} works in. */
  readonly packingBytes: number;
  /** @param at zeroed @param staging zeroed */
  pack(ring: Ring, rows: RowSource, at: number, staging: number): void;
  multiplyAdd(ring: Ring, at: number, x: number, y: number, records: number, scratch: number): void;
}

/** Int32 weights, or 64-bit little-endian words as bytes; row-major. */
export type OperandSource = Int32Array | Uint8Array;

/** Rows of an operand's source as words in the ring's memory. */
export class RowSource {
  constructor(
    private readonly source: OperandSource,
    private readonly depth: number,
  ) {}

  /** Writes row `row` as words to `at`, with room for its integers behind. */
  words(ring: Ring, row: number, at: number): void {
    const { source, depth } = this;
    if (source instanceof Int32Array) {
      const raw = at + depth * 8;
      ring.i32(raw, depth).set(source.subarray(row * depth, (row + 1) * depth));
      ring.exports.widenWords(at, raw, depth);
    } else ring.u8(at, depth * 8).set(source.subarray(row * depth * 8, (row + 1) * depth * 8));
  }
}
