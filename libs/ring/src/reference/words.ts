import type { WindowShape } from "../shape.js";

const MASK = (1n << 64n) - 1n;

/** Packed form of values (multiple of 8 of them) at `bits` each: planes of sixteen bits, then eight. */
export function referencePack(words: readonly bigint[], bits: number): Uint8Array {
  const bytes: number[] = [];
  for (let group = 0; group < words.length; group += 8) {
    const eight = words.slice(group, group + 8);
    let bit = 0;
    for (; bit + 16 <= bits; bit += 16)
      for (const w of eight) bytes.push(Number((w >> BigInt(bit)) & 0xffn), Number((w >> BigInt(bit + 8)) & 0xffn));
    if (bit < bits) for (const w of eight) bytes.push(Number((w >> BigInt(bit)) & 0xffn));
  }
  return Uint8Array.from(bytes);
}

export const referenceSignExtend = (word: bigint, bits: number): bigint =>
  BigInt.asUintN(64, BigInt.asIntN(bits, word));

/** Sums over windows, padding as 0. */
export function referenceSumPool(words: readonly bigint[], channels: number, w: WindowShape): bigint[] {
  const out: bigint[] = [];
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < w.outHeight; y++)
      for (let x = 0; x < w.outWidth; x++) {
        let sum = 0n;
        for (let ky = 0; ky < w.kernelHeight; ky++)
          for (let kx = 0; kx < w.kernelWidth; kx++) {
            const iy = y * w.strideHeight - w.padTop + ky * w.dilationHeight;
            const ix = x * w.strideWidth - w.padLeft + kx * w.dilationWidth;
            if (iy >= 0 && iy < w.inHeight && ix >= 0 && ix < w.inWidth)
              sum += words[(c * w.inHeight + iy) * w.inWidth + ix];
          }
        out.push(sum & MASK);
      }
  return out;
}
