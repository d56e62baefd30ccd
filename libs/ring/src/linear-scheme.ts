/**
 * How a fixed operand's elements are given: 15 promises int32 weights with |W| <= 16383, 32 is any int32 weight,
 * 64 is ring elements such as D and U.
 */
export type OperandBits = 15 | 32 | 64;

/** A cut of words into int16 limbs, by its number in assembly/linear-limbs.ts. */
export interface Cut {
  readonly id: number;
  readonly limbs: number;
}

const CUT_16: Cut = { id: 0, limbs: 1 };
const CUT_16_16: Cut = { id: 1, limbs: 2 };
const CUT_8_16_16: Cut = { id: 2, limbs: 3 };
const CUT_16_16_16: Cut = { id: 3, limbs: 3 };
const CUT_14_16_16_16: Cut = { id: 4, limbs: 4 };
/** 13, 14, the sum of both, 13: five products of limbs do for six. */
const CUT_13_14_13: Cut = { id: 5, limbs: 4 };

/** A kernel on limbs, by its number in assembly/linear-sums.ts, and the cuts of its operands. */
export interface Scheme {
  readonly kind: number;
  readonly weights: Cut;
  readonly inputs: Cut;
  /** Steps after which a sum of 32 bits that is needed in full may overflow. */
  readonly mostSteps: number;
}

const SHORT = [
  { kind: 0, bits: 32, weights: CUT_16, inputs: CUT_16_16, mostSteps: 248 },
  { kind: 1, bits: 40, weights: CUT_16, inputs: CUT_8_16_16, mostSteps: 248 },
  { kind: 2, bits: 48, weights: CUT_16, inputs: CUT_16_16_16, mostSteps: 248 },
  { kind: 3, bits: 62, weights: CUT_16, inputs: CUT_14_16_16_16, mostSteps: 248 },
];
const FULL = [
  { kind: 4, bits: 32, weights: CUT_16_16, inputs: CUT_16_16, mostSteps: 248 },
  { kind: 5, bits: 40, weights: CUT_13_14_13, inputs: CUT_13_14_13, mostSteps: 62 },
  { kind: 6, bits: 48, weights: CUT_16_16_16, inputs: CUT_16_16_16, mostSteps: 248 },
];

/** The scheme whose result is exact mod 2^width; undefined where two limbs of 32 bits are faster (linear-wide.ts). */
export function schemeOf(bits: OperandBits, width: number): Scheme | undefined {
  return (bits === 15 ? SHORT : FULL).find((scheme) => width <= scheme.bits);
}
