// By how much one series of blocks is above another that took turns with it.
import { median, quantile } from "./statistics.mjs";

const DRAWS = 400;

/** Percent by which the median of all of `on` is above that of `off`. */
const growth = (on, off) => (median(on.flat()) / median(off.flat()) - 1) * 100;
const rounded = (percent) => Math.round(percent * 100) / 100;

/**
 * The growth in percent, and between what it lies with 95 % by drawing pairs of blocks again and again.
 * @param on blocks of values; `off` has the block beside each
 */
export function growthOf(on, off, random = Math.random) {
  if (on.length !== off.length || !on.length) throw new RangeError("blocks come in pairs");
  const draws = Array.from({ length: DRAWS }, () => {
    const pairs = Array.from({ length: on.length }, () => Math.floor(random() * on.length));
    return growth(
      pairs.map((i) => on[i]),
      pairs.map((i) => off[i]),
    );
  });
  const [low, high] = [0.025, 0.975].map((q) => rounded(quantile(draws, q)));
  return { growthPercent: rounded(growth(on, off)), between: [low, high] };
}
