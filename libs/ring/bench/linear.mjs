import { randomFillSync } from "node:crypto";
import {
  createRing,
  matrixOf,
  multiplyAdd,
  operandBytes,
  packOperand,
  scratchBytes,
  weightCount,
} from "../dist/index.js";
import { time } from "./time.mjs";

const dense = (inFeatures, outFeatures) => ({ kind: "dense", inFeatures, outFeatures });
const conv = (inChannels, outChannels, size, kernel) => ({
  kind: "conv",
  inChannels,
  outChannels,
  groups: 1,
  inHeight: size,
  inWidth: size,
  outHeight: size - kernel + 1,
  outWidth: size - kernel + 1,
  kernelHeight: kernel,
  kernelWidth: kernel,
  strideHeight: 1,
  strideWidth: 1,
  dilationHeight: 1,
  dilationWidth: 1,
  padTop: 0,
  padLeft: 0,
});

/** Layers of the example networks. */
const SHAPES = [
  ["dense 784 to 128", dense(784, 128)],
  ["dense 800 to 500", dense(800, 500)],
  ["convolution 5x5, 1 to 16, 28x28", conv(1, 16, 28, 5)],
  ["convolution 5x5, 20 to 50, 12x12", conv(20, 50, 12, 5)],
];
/** Weights have at most 12 bits; D and U are full ring elements. */
const WEIGHT_SHIFT = 20;

function operand(ring, shape, bits) {
  const count = weightCount(shape);
  const source = bits === 32 ? new Int32Array(count) : new Uint8Array(8 * count);
  randomFillSync(source);
  if (bits === 32) source.forEach((v, i) => (source[i] = v >> WEIGHT_SHIFT));
  return packOperand(ring, shape, source, ring.alloc(operandBytes(shape, bits)));
}

/** Rows of the table: billions of products per second. */
export function measureLinear() {
  const rows = [];
  for (const [name, shape] of SHAPES)
    for (const bits of [32, 64])
      for (const records of [1, 32]) {
        const { groups, rows: outputs, depth, columns, inputs, outputs: words } = matrixOf(shape);
        const products = records * groups * outputs * depth * columns;
        const ring = createRing(
          operandBytes(shape, bits) + scratchBytes(shape, records) + 8 * records * (inputs + words) + 8 * depth + 4096,
        );
        const packed = operand(ring, shape, bits);
        const x = ring.alloc(8 * inputs * records);
        randomFillSync(ring.u8(x, 8 * inputs * records));
        const y = ring.alloc(8 * words * records);
        const scratch = ring.alloc(scratchBytes(shape, records));
        const { best, median } = time(() => multiplyAdd(ring, packed, x, y, records, scratch));
        const rate = (ms) => (products / ms / 1e6).toFixed(2);
        rows.push([name, `${bits} bits`, records, rate(best), rate(median)]);
      }
  return rows;
}
