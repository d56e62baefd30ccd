/**
 * Bytes of `count` values of `bits` bits as they travel (layout 1): groups of eight values in planes of sixteen or eight
 * bits, the last group padded. 62 bits travel as 64.
 */
export function packedBytes(bits: number, count: number): number {
  const travelling = bits === 62 ? 64 : bits;
  if (travelling % 8 !== 0 || travelling < 8 || travelling > 64)
    throw new RangeError(`no packing for values of ${bits} bits`);
  return Math.ceil(count / 8) * travelling;
}

/** Bytes of `count` values of any number of bits up to 64, bit after bit: the form of the revealed output. */
export const bitBytes = (bits: number, count: number): number => Math.ceil((bits * count) / 8);
