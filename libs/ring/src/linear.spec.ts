import { randomBytes, randomInt } from "node:crypto";
import { describe, expect, it } from "vitest";
import { multiplyAdd, operandBytes, packOperand, scratchBytes, type OperandBits } from "./linear.js";
import { referenceLinear } from "./reference/linear.js";
import { createRing } from "./ring.js";
import { matrixOf, weightCount, type LinearShape } from "./shape.js";

const MASK = (1n << 64n) - 1n;
const words = (count: number) => new BigUint64Array(new Uint8Array(randomBytes(count * 8)).buffer);
/** Values that overflow where a kernel sums too narrowly. */
const extremes = (count: number, from: bigint[]) =>
  BigUint64Array.from({ length: count }, () => from[randomInt(from.length)] & MASK);
const EDGES = [
  0n,
  1n,
  -1n,
  1n << 31n,
  -(1n << 31n),
  (1n << 32n) - 1n,
  1n << 63n,
  (1n << 63n) - 1n,
  0x7fffffff80000000n,
];

function run(shape: LinearShape, bits: OperandBits, records: number, extreme: boolean) {
  const { inputs, outputs } = matrixOf(shape);
  const count = weightCount(shape);
  const source = extreme ? extremes(count, EDGES) : words(count);
  const weights = bits === 32 ? Int32Array.from(source, (w) => Number(BigInt.asIntN(32, w))) : source;
  const x = extreme ? extremes(records * inputs, EDGES) : words(records * inputs);
  const start = words(records * outputs);
  const ring = createRing(
    operandBytes(shape, bits) + (inputs + outputs) * records * 8 + scratchBytes(shape, records) + count * 8 + 4096,
  );
  const operand = packOperand(
    ring,
    shape,
    weights instanceof Int32Array ? weights : new Uint8Array(weights.buffer),
    ring.alloc(operandBytes(shape, bits)),
  );
  const xAt = ring.alloc(x.byteLength);
  const yAt = ring.alloc(start.byteLength);
  ring.u64(xAt, x.length).set(x);
  ring.u64(yAt, start.length).set(start);
  const scratch = ring.alloc(scratchBytes(shape, records));
  multiplyAdd(ring, operand, xAt, yAt, records, scratch);
  const got = [...ring.u64(yAt, start.length)];
  const exact = Array.from({ length: count }, (_, i) => BigInt(weights[i]));
  const want = Array.from({ length: records }, (_, n) =>
    referenceLinear(shape, exact, [...x.subarray(n * inputs, (n + 1) * inputs)]),
  ).flat();
  expect(got).toEqual(want.map((v, i) => (v + start[i]) & MASK));
}

const conv = (
  inChannels: number,
  outChannels: number,
  groups: number,
  size: [number, number],
  kernel: [number, number],
  stride: [number, number],
  dilation: [number, number],
  pad: [number, number],
): LinearShape => {
  const out = (i: 0 | 1) => Math.floor((size[i] + 2 * pad[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i]) + 1;
  return {
    kind: "conv",
    inChannels,
    outChannels,
    groups,
    inHeight: size[0],
    inWidth: size[1],
    outHeight: out(0),
    outWidth: out(1),
    kernelHeight: kernel[0],
    kernelWidth: kernel[1],
    strideHeight: stride[0],
    strideWidth: stride[1],
    dilationHeight: dilation[0],
    dilationWidth: dilation[1],
    padTop: pad[0],
    padLeft: pad[1],
  };
};

const SHAPES: [string, LinearShape][] = [
  ...(
    [
      [1, 1],
      [3, 2],
      [4, 4],
      [7, 5],
      [30, 16],
      [129, 33],
    ] as const
  ).map(([k, m]): [string, LinearShape] => [`dense ${k} to ${m}`, { kind: "dense", inFeatures: k, outFeatures: m }]),
  ["conv 5x5", conv(1, 4, 1, [12, 12], [5, 5], [1, 1], [1, 1], [0, 0])],
  ["conv over more positions than a tile", conv(2, 3, 1, [13, 11], [3, 3], [1, 1], [1, 1], [1, 1])],
  ["conv strided, dilated, padded", conv(3, 5, 1, [11, 9], [3, 2], [2, 3], [2, 1], [2, 1])],
  ["depthwise conv", conv(6, 6, 6, [8, 8], [3, 3], [1, 1], [1, 1], [1, 1])],
  ["grouped conv", conv(4, 6, 2, [7, 7], [2, 2], [1, 1], [1, 1], [0, 1])],
  ["conv in one dimension", conv(2, 3, 1, [1, 40], [1, 7], [1, 2], [1, 1], [0, 3])],
  ["conv 1x1", conv(5, 3, 1, [4, 4], [1, 1], [1, 1], [1, 1], [0, 0])],
];

describe.each(SHAPES)("%s", (_, shape) => {
  it.each([
    [32, 1],
    [32, 3],
    [32, 4],
    [64, 1],
    [64, 3],
    [64, 4],
  ] as const)("int%i operand, %i records: equals the definition mod 2^64", (bits, records) => {
    run(shape, bits, records, false);
    run(shape, bits, records, true);
  });
});

describe("packOperand", () => {
  it("refuses another number of weights than the shape has", () => {
    const ring = createRing(1024);
    const shape = { kind: "dense", inFeatures: 3, outFeatures: 2 } as const;
    expect(() => packOperand(ring, shape, new Int32Array(5), ring.alloc(operandBytes(shape, 32)))).toThrow(
      "5 weights given, the shape has 6",
    );
  });
});
