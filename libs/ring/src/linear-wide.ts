import type { LinearMethod, RowSource } from "./linear-operand.js";
import type { Ring } from "./ring.js";
import { matrixOf, type ConvShape, type LinearShape } from "./shape.js";

/** Positions whose patches are cut out at once. */
const TILE = 64;

const align4 = (n: number) => (n + 3) & ~3;

/** Products mod 2^64 on two balanced limbs of 32 bits, a convolution as patches. For widths that need many small limbs. */
export class Wide implements LinearMethod {
  /** @param limbs of a weight: 1 for int32, 2 for ring elements */
  constructor(
    private readonly shape: LinearShape,
    private readonly limbs: 1 | 2,
  ) {}

  get operandBytes(): number {
    const { groups, rows, stride } = matrixOf(this.shape);
    return groups * rows * stride * 4 * this.limbs;
  }

  get packingBytes(): number {
    return matrixOf(this.shape).depth * 12;
  }

  scratchBytes(records: number): number {
    const { inputs, stride, columns } = matrixOf(this.shape);
    // A dense layer keeps all records' planes, padded; a convolution one record's planes and a tile of patches.
    return this.shape.kind === "dense"
      ? 2 * 4 * stride * records
      : 2 * 4 * (align4(inputs) + Math.min(TILE, columns) * stride);
  }

  pack(ring: Ring, source: RowSource, at: number, staging: number): void {
    const { groups, rows, depth, stride } = matrixOf(this.shape);
    const high = at + groups * rows * stride * 4;
    for (let row = 0; row < groups * rows; row++) {
      source.words(ring, row, staging);
      const to = row * stride * 4;
      // The high limbs of int32 weights are zero: they are not kept.
      ring.exports.splitWords(at + to, this.limbs === 2 ? high + to : staging + depth * 8, staging, depth);
    }
  }

  multiplyAdd(ring: Ring, at: number, x: number, y: number, records: number, scratch: number): void {
    if (this.shape.kind === "dense") this.dense(ring, at, x, y, records, scratch);
    else this.conv(ring, this.shape, at, x, y, records, scratch);
  }

  private dense(ring: Ring, at: number, x: number, y: number, records: number, scratch: number) {
    const { rows, depth, stride } = matrixOf(this.shape);
    const high = scratch + records * stride * 4;
    if (depth === stride) ring.exports.splitWords(scratch, high, x, records * depth);
    else
      for (let n = 0; n < records; n++) {
        ring.exports.splitWords(scratch + n * stride * 4, high + n * stride * 4, x + n * depth * 8, depth);
        // What lies behind the last element meets zero weights; it only has to be readable.
      }
    this.product(ring, at, 0, y, 8, rows * 8, scratch, high, records);
  }

  private conv(ring: Ring, shape: ConvShape, at: number, x: number, y: number, records: number, scratch: number) {
    const { groups, rows, stride, columns, inputs, outputs } = matrixOf(shape);
    const channels = shape.inChannels / groups;
    const planeHigh = scratch + align4(inputs) * 4;
    const low = planeHigh + align4(inputs) * 4;
    const high = low + Math.min(TILE, columns) * stride * 4;
    const groupBytes = channels * shape.inHeight * shape.inWidth * 4;
    const s = shape;
    const cut = (out: number, plane: number, first: number, count: number) =>
      ring.exports.patches(
        out,
        plane,
        first,
        count,
        stride,
        channels,
        s.inHeight,
        s.inWidth,
        s.outWidth,
        s.kernelHeight,
        s.kernelWidth,
        s.strideHeight,
        s.strideWidth,
        s.dilationHeight,
        s.dilationWidth,
        s.padTop,
        s.padLeft,
      );
    for (let n = 0; n < records; n++) {
      ring.exports.splitWords(scratch, planeHigh, x + n * inputs * 8, inputs);
      for (let g = 0; g < groups; g++)
        for (let first = 0; first < columns; first += TILE) {
          const count = Math.min(TILE, columns - first);
          cut(low, scratch + g * groupBytes, first, count);
          cut(high, planeHigh + g * groupBytes, first, count);
          const to = y + (n * outputs + g * rows * columns + first) * 8;
          this.product(ring, at, g, to, columns * 8, 8, low, high, count);
        }
    }
  }

  /** One group's product, added to y at the given strides (bytes). */
  private product(
    ring: Ring,
    at: number,
    group: number,
    y: number,
    yRow: number,
    yColumn: number,
    low: number,
    high: number,
    columns: number,
  ) {
    const { groups, rows, stride } = matrixOf(this.shape);
    const w = at + group * rows * stride * 4;
    if (this.limbs === 1) ring.exports.multiply32(y, yRow, yColumn, w, rows, low, high, columns, stride);
    else {
      const wHigh = w + groups * rows * stride * 4;
      ring.exports.multiply64(y, yRow, yColumn, w, wHigh, rows, low, high, columns, stride);
    }
  }
}
