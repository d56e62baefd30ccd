import { PlanError, WIDTHS, type Width } from "@parley/plan";
import { hull, reach, type Ranges } from "./ranges.js";

/** Thrown where no width can be proven; the caller may try coarser weights. */
export class RangeProofError extends PlanError {
  constructor(name: string, bits: number) {
    super(
      "RANGE_NOT_PROVEN",
      `the values of layer "${name}" may need ${bits} bits for some admitted input, more than ${WIDTHS.at(-1)}`,
      "Publish with a narrower input range, or train with smaller weights (weight decay, L1) or fewer layers.",
    );
  }
}

const half = (width: number): bigint => 1n << BigInt(width - 1);

/** Bits of a two's complement integer. */
const bitsOf = (value: bigint): number => (value < 0n ? -value - 1n : value).toString(2).length + 1;

function smallest(name: string, ranges: Ranges, proven: (width: Width) => boolean): Width {
  const found = WIDTHS.find(proven);
  const { lo, hi } = hull(ranges);
  if (found === undefined) throw new RangeProofError(name, Math.max(bitsOf(lo), bitsOf(hi)) + 1);
  return found;
}

/** Protocol, section 5: -2^(w-1) + 2^g <= y < 2^(w-1) - 2^g; for g = 0 the whole range. */
export function reluWidth(name: string, ranges: Ranges, shift: number): Width {
  const { lo, hi } = hull(ranges);
  const edge = shift > 0 ? 1n << BigInt(shift) : 0n;
  return smallest(name, ranges, (w) => shift <= w - 2 && -half(w) + edge <= lo && hi < half(w) - edge);
}

/** |y| <= 2^(w-2). */
export function truncateWidth(name: string, ranges: Ranges, shift: number): Width {
  return smallest(name, ranges, (w) => shift <= w - 2 && reach(ranges) <= half(w - 1));
}

/** Per compared pair, which lie in one channel: hi - lo < 2^(w-1) and lo - hi >= -2^(w-1). */
export function maxPoolWidth(name: string, ranges: Ranges): Width {
  return smallest(name, ranges, (w) => ranges.lo.every((lo, i) => ranges.hi[i] - lo < half(w)));
}

/** Widths of a revealed output are multiples of this, so that they say little about the weights. */
const OUTPUT_STEP = 4;

/** Bits of the output that are revealed: enough for the proven range, no more than the next multiple of 4. */
export function outputWidth(name: string, ranges: Ranges): number {
  const { lo, hi } = hull(ranges);
  const bits = Math.max(bitsOf(lo), bitsOf(hi));
  const most = WIDTHS[WIDTHS.length - 1];
  if (bits > most) throw new RangeProofError(name, bits);
  return Math.min(most, Math.ceil(bits / OUTPUT_STEP) * OUTPUT_STEP);
}

/** The smallest published width of at least `bits`. */
export function widthFor(name: string, bits: number): Width {
  const found = WIDTHS.find((width) => width >= bits);
  if (found === undefined) throw new RangeProofError(name, bits);
  return found;
}
