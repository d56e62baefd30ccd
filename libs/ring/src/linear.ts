import type { Ring } from "./ring.js";
import { matrixOf, weightCount, type ConvShape, type LinearShape } from "./shape.js";

/** Size of the fixed operand's elements: quantised weights (32) or full ring elements such as D and U (64). */
export type OperandBits = 32 | 64;

/** A fixed operand in the form that the kernels read. */
export interface PackedOperand {
  readonly shape: LinearShape;
  readonly bits: OperandBits;
  readonly at: number;
}

const TILE = 64;

/** Bytes of a packed operand. */
export function operandBytes(shape: LinearShape, bits: OperandBits): number {
  const { groups, rows, stride } = matrixOf(shape);
  return groups * rows * stride * (bits / 8);
}

/** Bytes of scratch memory that {@link multiplyAdd} needs for n records. */
export function scratchBytes(shape: LinearShape, records: number): number {
  const { inputs, stride, columns } = matrixOf(shape);
  // A dense layer keeps all records' planes, padded; a convolution one record's planes and a tile of patches.
  return shape.kind === "dense"
    ? 2 * 4 * stride * records
    : 2 * 4 * (align4(inputs) + Math.min(TILE, columns) * stride);
}

const align4 = (n: number) => (n + 3) & ~3;

/**
 * Writes a fixed operand to `at` ({@link operandBytes} bytes).
 * @param source int32 weights, or 64-bit little-endian words as bytes; row-major
 * @throws RangeError where the number of weights does not fit the shape
 */
export function packOperand(
  ring: Ring,
  shape: LinearShape,
  source: Int32Array | Uint8Array,
  at: number,
): PackedOperand {
  const { groups, rows, depth, stride } = matrixOf(shape);
  const bits: OperandBits = source instanceof Int32Array ? 32 : 64;
  const count = source instanceof Int32Array ? source.length : source.byteLength / 8;
  if (count !== weightCount(shape)) throw new RangeError(`${count} weights given, the shape has ${weightCount(shape)}`);
  const all = groups * rows;
  if (source instanceof Int32Array) {
    const to = ring.i32(at, all * stride);
    if (stride === depth) to.set(source);
    else {
      to.fill(0);
      for (let row = 0; row < all; row++) to.set(source.subarray(row * depth, (row + 1) * depth), row * stride);
    }
    return { shape, bits, at };
  }
  const mark = ring.mark();
  const staging = ring.alloc(depth * 8);
  const high = at + all * stride * 4;
  ring.u8(at, all * stride * 8).fill(0);
  for (let row = 0; row < all; row++) {
    ring.u8(staging, depth * 8).set(source.subarray(row * depth * 8, (row + 1) * depth * 8));
    ring.exports.splitWords(at + row * stride * 4, high + row * stride * 4, staging, depth);
  }
  ring.release(mark);
  return { shape, bits, at };
}

/**
 * y += W * x mod 2^64, for n records.
 * @param x words [n][inputs]
 * @param y words [n][outputs], added to
 * @param scratch {@link scratchBytes} bytes
 */
export function multiplyAdd(
  ring: Ring,
  operand: PackedOperand,
  x: number,
  y: number,
  records: number,
  scratch: number,
): void {
  if (operand.shape.kind === "dense") dense(ring, operand, x, y, records, scratch);
  else conv(ring, operand, operand.shape, x, y, records, scratch);
}

function dense(ring: Ring, operand: PackedOperand, x: number, y: number, records: number, scratch: number) {
  const { rows, depth, stride } = matrixOf(operand.shape);
  const high = scratch + records * stride * 4;
  if (depth === stride) ring.exports.splitWords(scratch, high, x, records * depth);
  else
    for (let n = 0; n < records; n++) {
      ring.exports.splitWords(scratch + n * stride * 4, high + n * stride * 4, x + n * depth * 8, depth);
      // What lies behind the last element meets zero weights; it only has to be readable.
    }
  product(ring, operand, 0, y, 8, rows * 8, scratch, high, records);
}

function conv(
  ring: Ring,
  operand: PackedOperand,
  shape: ConvShape,
  x: number,
  y: number,
  records: number,
  scratch: number,
) {
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
        product(ring, operand, g, to, columns * 8, 8, low, high, count);
      }
  }
}

/** One group's product, added to y at the given strides (bytes). */
function product(
  ring: Ring,
  { shape, bits, at }: PackedOperand,
  group: number,
  y: number,
  yRow: number,
  yColumn: number,
  low: number,
  high: number,
  columns: number,
) {
  const { groups, rows, stride } = matrixOf(shape);
  const w = at + group * rows * stride * 4;
  if (bits === 32) ring.exports.multiply32(y, yRow, yColumn, w, rows, low, high, columns, stride);
  else {
    const wHigh = w + groups * rows * stride * 4;
    ring.exports.multiply64(y, yRow, yColumn, w, wHigh, rows, low, high, columns, stride);
  }
}
