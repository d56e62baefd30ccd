import { randomBytes } from "node:crypto";

/** Uniform values in [lo, hi]. */
export function randomValues(count: number, lo: number, hi: number): Float64Array {
  const bytes = randomBytes(4 * count);
  return Float64Array.from({ length: count }, (_, i) =>
    Math.fround(lo + (bytes.readUInt32LE(4 * i) / 2 ** 32) * (hi - lo)),
  );
}
