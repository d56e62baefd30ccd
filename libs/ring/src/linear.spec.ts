import { randomBytes, randomInt } from "node:crypto";
import { describe, expect, it } from "vitest";
import { multiplyAdd, operandBytes, packOperand, scratchBytes, type OperandForm } from "./linear.js";
import { referenceLinear } from "./reference/linear.js";
import { allocationBytes, createRing } from "./ring.js";
import { matrixOf, weightCount, type LinearShape } from "./shape.js";

const MASK = (1n << 64n) - 1n;
const words = (count: number) => new BigUint64Array(new Uint8Array(randomBytes(count * 8)).buffer);
interface Source {
  weights(count: number): BigUint64Array;
  inputs(count: number): BigUint64Array;
}
const oneOf = (from: bigint[]) => (count: number) =>
  BigUint64Array.from({ length: count }, () => from[randomInt(from.length)] & MASK);
/** Values that overflow where a kernel sums too narrowly: edges of 32 bits, of the word, of every limb of every cut. */
const EDGES = [
  0n,
  1n,
  -1n,
  1n << 31n,
  -(1n << 31n),
  (1n << 31n) - 1n,
  (1n << 32n) - 1n,
  1n << 63n,
  (1n << 63n) - 1n,
  0x7fffffff80000000n,
  0x8000800080008000n,
  0x7fff7fff7fff7fffn,
  0x8000800080007fffn,
  0x7fff7fff7fff8000n,
  0x0000000080007f80n,
  0x2000080020008000n,
];
const RANDOM: Source = { weights: words, inputs: words };
const EXTREME: Source = { weights: oneOf(EDGES), inputs: oneOf(EDGES) };
const constant = (weight: bigint, input: bigint): Source => ({ weights: oneOf([weight]), inputs: oneOf([input]) });

function run(shape: LinearShape, form: OperandForm, records: number, source: Source) {
  const { inputs, outputs } = matrixOf(shape);
  const count = weightCount(shape);
  const raw = source.weights(count);
  const weights =
    form.bits === 64
      ? raw
      : Int32Array.from(raw, (w) =>
          form.bits === 32 ? Number(BigInt.asIntN(32, w)) : Number(BigInt.asIntN(15, w)) || 1,
        );
  if (form.bits === 15) weights.forEach((w, i) => w === -16384 && (weights[i] = 16383));
  const x = source.inputs(records * inputs);
  const start = words(records * outputs);
  const bytes = [operandBytes(shape, form.bits, form.width), x.byteLength, start.byteLength];
  const scratchSize = scratchBytes(shape, records, form.bits, form.width);
  const ring = createRing([...bytes, scratchSize].reduce((sum, b) => sum + allocationBytes(b), 0));
  const [operandAt, xAt, yAt] = bytes.map((b) => ring.alloc(b));
  const scratch = ring.alloc(scratchSize);
  // Whatever memory held before must not matter, and what lies behind the scratch memory must stay.
  ring.u8(scratch, scratchSize).fill(0xa5);
  ring.u8(operandAt, bytes[0]).fill(0x5a);
  const operand = packOperand(
    ring,
    shape,
    form,
    weights instanceof Int32Array ? weights : new Uint8Array(weights.buffer),
    operandAt,
  );
  ring.u64(xAt, x.length).set(x);
  ring.u64(yAt, start.length).set(start);
  multiplyAdd(ring, operand, xAt, yAt, records, scratch);
  const got = ring.u64(yAt, start.length);
  const exact = Array.from({ length: count }, (_, i) => BigInt(weights[i]));
  const want = Array.from({ length: records }, (_, n) =>
    referenceLinear(shape, exact, [...x.subarray(n * inputs, (n + 1) * inputs)]),
  ).flat();
  const modulus = (v: bigint) => BigInt.asUintN(form.width, v);
  expect(Array.from(got, modulus)).toEqual(want.map((v, i) => modulus(v + start[i])));
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
  ["conv of one channel, an even and an odd kernel", conv(1, 3, 1, [9, 10], [3, 4], [1, 1], [1, 1], [1, 2])],
  ["conv of one channel, dilated, strided, padded", conv(1, 2, 1, [9, 17], [2, 3], [1, 3], [1, 2], [0, 3])],
  ["conv with a dilation beyond the input", conv(1, 2, 1, [3, 3], [2, 2], [1, 1], [1, 4], [0, 2])],
  ["conv of odd channels, stride 2", conv(5, 7, 1, [9, 9], [3, 3], [2, 2], [1, 1], [1, 1])],
  ["conv of even channels, width 10", conv(4, 3, 1, [6, 12], [3, 3], [1, 1], [1, 1], [0, 0])],
  ["conv down a column", conv(3, 2, 1, [20, 1], [5, 1], [2, 1], [1, 1], [2, 0])],
  ["conv 1x1, strided", conv(4, 3, 1, [5, 7], [1, 1], [2, 2], [1, 1], [0, 0])],
  ["conv 1x1", conv(5, 3, 1, [4, 4], [1, 1], [1, 1], [1, 1], [0, 0])],
];

const FORMS = ([15, 32, 64] as const).flatMap((bits) => [32, 40, 48, 56, 62, 64].map((width) => ({ bits, width })));

describe.each(SHAPES)("%s", (_, shape) => {
  it.each(FORMS)("$bits bits: equals the definition mod 2^$width", (form) => {
    for (const records of [1, 3, 8]) run(shape, form, records, RANDOM);
    run(shape, form, 1, EXTREME);
    run(shape, form, 5, EXTREME);
  });
});

describe("sums that are as large as they can be", () => {
  const INPUTS = [0x8000800080008000n, 0x7fff7fff7fff7fffn, MASK, 0x8080808080n, 0x2000080000800n, 0x7fffffffffffffffn];
  const WEIGHTS = [
    16383n,
    -16383n,
    0x7fffffffn,
    -0x80000000n,
    0x8000800080008000n,
    0x7fff7fff7fff7fffn,
    0x20008000800800n,
  ];
  const deep: [string, LinearShape][] = [
    ["dense", { kind: "dense", inFeatures: 2900, outFeatures: 3 }],
    ["conv", conv(65, 3, 1, [6, 6], [4, 4], [1, 1], [1, 1], [0, 0])],
  ];
  it.each(deep.flatMap(([name, shape]) => FORMS.map((form) => ({ name, shape, form, ...form }))))(
    "$name, $bits bits: exact mod 2^$width",
    ({ shape, form }) => {
      for (const weight of WEIGHTS) for (const input of INPUTS) run(shape, form, 1, constant(weight, input));
      run(shape, form, 2, EXTREME);
    },
  );
});

describe("many records", () => {
  const shapes: LinearShape[] = [
    { kind: "dense", inFeatures: 37, outFeatures: 5 },
    conv(3, 3, 1, [6, 7], [3, 3], [1, 1], [1, 1], [1, 1]),
  ];
  it.each(FORMS)("$bits bits, width $width: each record has its own result", (form) => {
    for (const shape of shapes) run(shape, form, 33, RANDOM);
  });
});

describe("packOperand", () => {
  it("refuses another number of weights than the shape has", () => {
    const ring = createRing(1024);
    const FORM = { bits: 32, width: 48 } as const;
    const shape = { kind: "dense", inFeatures: 3, outFeatures: 2 } as const;
    expect(() => packOperand(ring, shape, FORM, new Int32Array(5), ring.alloc(operandBytes(shape, 32, 48)))).toThrow(
      "5 weights given, the shape has 6",
    );
  });
});
