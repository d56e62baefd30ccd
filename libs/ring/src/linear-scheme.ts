import type { RowsKernels, SchemeName, TilesKernels } from "./linear-kernels.js";

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
const CUT_13_14_13: Cut = { id: 5, limbs: 3 };
/** 13, 14, the sum of both, 13: five products of limbs do for six. */
const CUT_13_14_SUM_13: Cut = { id: 6, limbs: 4 };

/** A pair of kernels on limbs, by their names in assembly/linear-kernels.mjs, and the cuts of their operands. */
export interface Scheme {
  readonly rows: keyof RowsKernels;
  readonly tiles: keyof TilesKernels;
  readonly weights: Cut;
  readonly inputs: Cut;
  /** Rows of weights that lie together and are summed at once. */
  readonly panelRows: number;
  /** Steps of a turn of the kernels' loops. */
  readonly turn: number;
  /** Steps, a multiple of the turn's, after which a sum of 32 bits that is needed in full may overflow. */
  readonly mostSteps: number;
}

const scheme = (name: SchemeName, weights: Cut, inputs: Cut, panelRows = 2, mostSteps = 248): Scheme => ({
  rows: `rows${name}`,
  tiles: `tiles${name}`,
  weights,
  inputs,
  panelRows,
  turn: weights.limbs > 1 ? 1 : 2,
  mostSteps,
});

/** By the width that they serve at most. */
const SHORT: readonly [number, Scheme][] = [
  [32, scheme("Short32", CUT_16, CUT_16_16, 4)],
  [40, scheme("Short40", CUT_16, CUT_8_16_16)],
  [48, scheme("Short48", CUT_16, CUT_16_16_16)],
  [62, scheme("Short62", CUT_16, CUT_14_16_16_16)],
];
const FULL: readonly [number, Scheme][] = [
  [32, scheme("Full32", CUT_16_16, CUT_16_16)],
  [40, scheme("Full40", CUT_13_14_13, CUT_13_14_SUM_13, 2, 62)],
  [48, scheme("Full48", CUT_16_16_16, CUT_16_16_16)],
];

/** The scheme whose result is exact mod 2^width; undefined where two limbs of 32 bits are faster (linear-wide.ts). */
export function schemeOf(bits: OperandBits, width: number): Scheme | undefined {
  return (bits === 15 ? SHORT : FULL).find(([most]) => width <= most)?.[1];
}
