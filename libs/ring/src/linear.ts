import { ConvLimbs } from "./linear-conv.js";
import { DenseLimbs } from "./linear-dense.js";
import { RowSource, type LinearMethod, type OperandSource } from "./linear-operand.js";
import { schemeOf, type OperandBits } from "./linear-scheme.js";
import { Wide } from "./linear-wide.js";
import type { Ring } from "./ring.js";
import { matrixOf, weightCount, type LinearShape } from "./shape.js";

export type { OperandBits } from "./linear-scheme.js";
export type { OperandSource } from "./linear-operand.js";

/** What decides how a product is computed; all of it is public. */
export interface OperandForm {
  readonly bits: OperandBits;
  /** The product counts modulo 2^width only, at most 64. */
  readonly width: number;
}

/** A fixed operand in the form that the kernels read. */
export interface PackedOperand extends OperandForm {
  readonly shape: LinearShape;
  readonly at: number;
  readonly method: LinearMethod;
}

function methodOf(shape: LinearShape, { bits, width }: OperandForm): LinearMethod {
  const scheme = schemeOf(bits, width);
  if (!scheme) return new Wide(shape, bits === 64 ? 2 : 1);
  return shape.kind === "dense" ? new DenseLimbs(shape, scheme) : new ConvLimbs(shape, scheme);
}

const align16 = (bytes: number) => Math.ceil(bytes / 16) * 16;

/** Bytes of a packed operand, and of the room that packing it takes behind. */
export function operandBytes(shape: LinearShape, bits: OperandBits, width: number): number {
  const method = methodOf(shape, { bits, width });
  return align16(method.operandBytes) + method.packingBytes;
}

/** Bytes of scratch memory that {@link multiplyAdd} needs for n records. It need not be zeroed. */
export const scratchBytes = (shape: LinearShape, records: number, bits: OperandBits, width: number): number =>
  methodOf(shape, { bits, width }).scratchBytes(records);

/**
 * Writes a fixed operand to `at` ({@link operandBytes} bytes).
 * @param source int32 weights (15 and 32 bits), or 64-bit little-endian words as bytes (64 bits); row-major
 * @throws RangeError where the source does not fit the shape or the bits
 */
export function packOperand(
  ring: Ring,
  shape: LinearShape,
  { bits, width }: OperandForm,
  source: OperandSource,
  at: number,
): PackedOperand {
  const integers = source instanceof Int32Array;
  if (integers === (bits === 64))
    throw new RangeError(`an operand of ${bits} bits needs ${integers ? "words" : "int32"}`);
  const count = integers ? source.length : source.byteLength / 8;
  if (count !== weightCount(shape)) throw new RangeError(`${count} weights given, the shape has ${weightCount(shape)}`);
  const method = methodOf(shape, { bits, width });
  const staging = at + align16(method.operandBytes);
  ring.u8(at, staging + method.packingBytes - at).fill(0);
  method.pack(ring, new RowSource(source, matrixOf(shape).depth), at, staging);
  ring.u8(staging, method.packingBytes).fill(0);
  return { shape, bits, width, at, method };
}

/**
 * y += W * x mod 2^width, for n records; what is above `width` bits in y is arbitrary.
 * @param x words [n][inputs]; only their low `width` bits count
 * @param y words [n][outputs], added to
 * @param scratch {@link scratchBytes} bytes
 */
export function multiplyAdd(
  ring: Ring,
  { method, at }: PackedOperand,
  x: number,
  y: number,
  records: number,
  scratch: number,
): void {
  method.multiplyAdd(ring, at, x, y, records, scratch);
}
