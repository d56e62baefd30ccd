import { matrixOf, type LinearShape } from "../shape.js";

const MASK = (1n << 64n) - 1n;

/** y = W * x mod 2^64 for one record, as the definition says it. W and x as integers, any sign. */
export function referenceLinear(shape: LinearShape, weights: readonly bigint[], x: readonly bigint[]): bigint[] {
  const { outputs, depth } = matrixOf(shape);
  const y = new Array<bigint>(outputs).fill(0n);
  if (shape.kind === "dense") {
    for (let m = 0; m < outputs; m++) for (let k = 0; k < depth; k++) y[m] += weights[m * depth + k] * x[k];
    return y.map((v) => v & MASK);
  }
  const s = shape;
  const perGroup = { in: s.inChannels / s.groups, out: s.outChannels / s.groups };
  for (let o = 0; o < s.outChannels; o++)
    for (let oy = 0; oy < s.outHeight; oy++)
      for (let ox = 0; ox < s.outWidth; ox++) {
        let sum = 0n;
        for (let c = 0; c < perGroup.in; c++)
          for (let ky = 0; ky < s.kernelHeight; ky++)
            for (let kx = 0; kx < s.kernelWidth; kx++) {
              const iy = oy * s.strideHeight - s.padTop + ky * s.dilationHeight;
              const ix = ox * s.strideWidth - s.padLeft + kx * s.dilationWidth;
              if (iy < 0 || iy >= s.inHeight || ix < 0 || ix >= s.inWidth) continue;
              const channel = Math.floor(o / perGroup.out) * perGroup.in + c;
              const weight = weights[((o * perGroup.in + c) * s.kernelHeight + ky) * s.kernelWidth + kx];
              sum += weight * x[(channel * s.inHeight + iy) * s.inWidth + ix];
            }
        y[(o * s.outHeight + oy) * s.outWidth + ox] = sum & MASK;
      }
  return y;
}
