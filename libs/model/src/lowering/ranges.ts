import type { ConvShape, DenseShape, Window } from "@parley/plan";

/**
 * Proven bounds of a tensor's integers, for equal groups of consecutive elements of a record: one group for all, one per
 * channel, or one per element (protocol, section 9).
 */
export interface Ranges {
  readonly lo: readonly bigint[];
  readonly hi: readonly bigint[];
}

export const least = (values: readonly bigint[]): bigint => values.reduce((a, b) => (b < a ? b : a));
export const most = (values: readonly bigint[]): bigint => values.reduce((a, b) => (b > a ? b : a));

/** Bounds of the whole tensor. */
export const hull = ({ lo, hi }: Ranges): { lo: bigint; hi: bigint } => ({ lo: least(lo), hi: most(hi) });

/** Largest absolute value. */
export function reach(ranges: Ranges): bigint {
  const { lo, hi } = hull(ranges);
  return -lo > hi ? -lo : hi;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** The same bounds for another number of groups; groups that share an element are joined. */
export function regroupRanges({ lo, hi }: Ranges, groups: number): Ranges {
  const common = gcd(lo.length, groups);
  const each = lo.length / common;
  const spread = groups / common;
  const regroup = (values: readonly bigint[], join: (part: readonly bigint[]) => bigint): bigint[] =>
    Array.from({ length: common }, (_, i) => join(values.slice(i * each, (i + 1) * each))).flatMap((value) =>
      new Array<bigint>(spread).fill(value),
    );
  return { lo: regroup(lo, least), hi: regroup(hi, most) };
}

const withZero = ({ lo, hi }: Ranges): Ranges => ({
  lo: lo.map((v) => (v < 0n ? v : 0n)),
  hi: hi.map((v) => (v > 0n ? v : 0n)),
});

/** Monotone functions: both ends go through. */
export const mapRanges = ({ lo, hi }: Ranges, f: (value: bigint) => bigint): Ranges => ({
  lo: lo.map(f),
  hi: hi.map(f),
});

export function addRanges(a: Ranges, b: Ranges): Ranges {
  const groups = (a.lo.length * b.lo.length) / gcd(a.lo.length, b.lo.length);
  const [x, y] = [regroupRanges(a, groups), regroupRanges(b, groups)];
  return { lo: x.lo.map((v, i) => v + y.lo[i]), hi: x.hi.map((v, i) => v + y.hi[i]) };
}

const hasPads = (w: Window): boolean => w.padTop + w.padLeft + w.padBottom + w.padRight > 0;

/** Maximum over windows of each channel; padding never wins. */
export const maxPoolRanges = (input: Ranges, channels: number): Ranges => regroupRanges(input, channels);

export function sumPoolRanges(input: Ranges, channels: number, window: Window): Ranges {
  const perChannel = regroupRanges(input, channels);
  const taps = BigInt(window.kernelHeight * window.kernelWidth);
  return mapRanges(hasPads(window) ? withZero(perChannel) : perChannel, (value) => value * taps);
}

/**
 * lo_o = b_o + sum_i min(W_oi lo_i, W_oi hi_i), hi_o with max; 0 joins where a convolution pads. One group per output row.
 * Weights of one sign within a group of equal bounds are summed first: exact, int32 sums stay far below 2^53.
 */
export function linearRanges(
  shape: DenseShape | ConvShape,
  weights: Int32Array,
  bias: BigInt64Array,
  input: Ranges,
): Ranges {
  const dense = shape.kind === "dense";
  const rows = dense ? shape.outFeatures : shape.outChannels;
  const perRow = weights.length / rows;
  let from = dense ? input : regroupRanges(input, shape.inChannels);
  if (!dense && hasPads(shape)) from = withZero(from);
  const groups = dense ? from.lo.length : shape.inChannels / shape.groups;
  const taps = perRow / groups;
  const lo: bigint[] = [];
  const hi: bigint[] = [];
  for (let row = 0; row < rows; row++) {
    const first = dense ? 0 : Math.floor(row / (rows / shape.groups)) * groups;
    let low = bias.length > 0 ? bias[row] : 0n;
    let high = low;
    for (let group = 0; group < groups; group++) {
      let positive = 0;
      let negative = 0;
      const at = row * perRow + group * taps;
      for (let i = at; i < at + taps; i++) {
        if (weights[i] > 0) positive += weights[i];
        else negative += weights[i];
      }
      const [p, n] = [BigInt(positive), BigInt(negative)];
      low += p * from.lo[first + group] + n * from.hi[first + group];
      high += p * from.hi[first + group] + n * from.lo[first + group];
    }
    lo.push(low);
    hi.push(high);
  }
  return { lo, hi };
}
