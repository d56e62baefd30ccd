import { randomFillSync } from "node:crypto";
import {
  allocationBytes,
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
const conv = (inChannels, outChannels, size, kernel, pad = 0) => ({
  kind: "conv",
  inChannels,
  outChannels,
  groups: 1,
  inHeight: size,
  inWidth: size,
  outHeight: size + 2 * pad - kernel + 1,
  outWidth: size + 2 * pad - kernel + 1,
  kernelHeight: kernel,
  kernelWidth: kernel,
  strideHeight: 1,
  strideWidth: 1,
  dilationHeight: 1,
  dilationWidth: 1,
  padTop: pad,
  padLeft: pad,
});

/** Layers of the example networks. */
const SHAPES = [
  ["dense 784 to 128", dense(784, 128)],
  ["dense 800 to 500", dense(800, 500)],
  ["convolution 5x5, 1 to 20, 28x28", conv(1, 20, 28, 5)],
  ["convolution 5x5, 20 to 50, 12x12", conv(20, 50, 12, 5)],
  ["convolution 3x3, 64 to 64, 32x32", conv(64, 64, 32, 3, 1)],
  ["convolution 3x3, 64 to 64, 16x16", conv(64, 64, 16, 3, 1)],
];
const WIDTHS = [32, 40, 48, 56];
/** Weights of 32 bits have at most 21 in practice; D and U are full ring elements. */
const WEIGHT_SHIFT = { 15: 18, 32: 11 };

function operand(ring, shape, bits, width) {
  const count = weightCount(shape);
  const source = bits === 64 ? new Uint8Array(8 * count) : new Int32Array(count);
  randomFillSync(source);
  if (bits !== 64) source.forEach((v, i) => (source[i] = v >> WEIGHT_SHIFT[bits]));
  return packOperand(ring, shape, { bits, width }, source, ring.alloc(operandBytes(shape, bits, width)));
}

/** Billions of products per second. */
function measure(shape, bits, width, records) {
  const { groups, rows, depth, columns, inputs, outputs } = matrixOf(shape);
  const scratchSize = scratchBytes(shape, records, bits, width);
  const sizes = [operandBytes(shape, bits, width), scratchSize, 8 * records * inputs, 8 * records * outputs];
  const ring = createRing(sizes.reduce((sum, bytes) => sum + allocationBytes(bytes), 0));
  const packed = operand(ring, shape, bits, width);
  const x = ring.alloc(8 * inputs * records);
  randomFillSync(ring.u8(x, 8 * inputs * records));
  const y = ring.alloc(8 * outputs * records);
  const scratch = ring.alloc(scratchSize);
  const { best, median } = time(() => multiplyAdd(ring, packed, x, y, records, scratch));
  const products = records * groups * rows * depth * columns;
  return [best, median].map((ms) => (products / ms / 1e6).toFixed(2));
}

/** Rows of the table. */
export function measureLinear() {
  const rows = [];
  for (const [name, shape] of SHAPES)
    for (const records of [1, 32])
      for (const bits of [15, 32, 64])
        for (const width of WIDTHS)
          rows.push([name, `${bits} bits, mod 2^${width}`, records, ...measure(shape, bits, width, records)]);
  return rows;
}
