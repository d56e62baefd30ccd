import { describe, expect, it } from "vitest";

import { correctionBytes, cost, cut, gateDemand, schedule, tableGate } from "./index.js";
import type { ConvShape, MaxPoolStep, Plan, Step, Tensor, Window } from "./index.js";

const tensor = (shape: number[], modulus = 48): Tensor => ({ shape, scale: 0, modulus });
const square = (size: number, kernel: number, stride: number): Window => {
  const out = Math.floor((size - kernel) / stride) + 1;
  return {
    inHeight: size, inWidth: size, outHeight: out, outWidth: out,
    kernelHeight: kernel, kernelWidth: kernel, strideHeight: stride, strideWidth: stride,
    dilationHeight: 1, dilationWidth: 1, padTop: 0, padLeft: 0, padBottom: 0, padRight: 0,
  }; // prettier-ignore
};
const conv = (inChannels: number, outChannels: number, size: number): ConvShape => ({
  kind: "conv", inChannels, outChannels, groups: 1, ...square(size, 5, 1),
}); // prettier-ignore

/** Builds plans of layers that follow each other. */
function chain(
  input: number[],
  layers: ((at: { in: number; out: number }) => [Step, number[]])[],
  width: number,
): Plan {
  const tensors = [tensor(input)];
  const steps = layers.map((layer, index) => {
    const [step, shape] = layer({ in: index, out: index + 1 });
    tensors.push(tensor(shape));
    return step;
  });
  return {
    format: "parley.plan.v1",
    layout: 1,
    input: { tensor: 0, schema: { lo: 0, hi: 1 } },
    tensors,
    steps,
    output: { tensor: steps.length, policy: { kind: "logits" }, width, scale: 0, factor: 1, head: "none" },
    maxRecords: 128,
  };
}
type Layer = Parameters<typeof chain>[1][number];
const base = (at: { in: number; out: number }): { name: string; input: number; output: number; width: 48 } => ({
  name: `step ${at.in}`, input: at.in, output: at.out, width: 48,
}); // prettier-ignore
const dense = (inFeatures: number, outFeatures: number): Layer => (at) => [
  { ...base(at), op: "linear", weightScale: 16, weightBits: 32, bias: true, shape: { kind: "dense", inFeatures, outFeatures } },
  [outFeatures],
]; // prettier-ignore
const convolution = (shape: ConvShape): Layer => (at) => [
  { ...base(at), op: "linear", weightScale: 16, weightBits: 32, bias: true, shape },
  [shape.outChannels, shape.outHeight, shape.outWidth],
]; // prettier-ignore
const relu = (shape: number[]): Layer => (at) => [
  { ...base(at), op: "relu", gate: "table", shift: 16, share: at.in > 1 && shape.length === 3 ? "online" : "offline" },
  shape,
]; // prettier-ignore
const pool = (channels: number, size: number): Layer => (at) => [
  { ...base(at), op: "maxpool", gate: "table", share: "offline", channels, window: square(size, 2, 2) } satisfies MaxPoolStep,
  [channels, size / 2, size / 2],
]; // prettier-ignore

const networkA = chain([784], [dense(784, 128), relu([128]), dense(128, 128), relu([128]), dense(128, 10)], 48);
const networkC = chain(
  [1, 28, 28],
  [
    convolution(conv(1, 20, 28)), pool(20, 24), relu([20, 12, 12]),
    convolution(conv(20, 50, 12)), pool(50, 8), relu([50, 4, 4]),
    dense(800, 500), relu([500]), dense(500, 10),
  ],
  48,
); // prettier-ignore

describe("the table gate", () => {
  it("cuts chunks as the protocol states", () => {
    expect(cut(31, 6)).toEqual([6, 5, 5, 5, 5, 5]);
    expect(cut(16, 4)).toEqual([4, 4, 4, 4]);
    expect(cut(61, 6)).toEqual([8, 8, 8, 8, 8, 7, 7, 7]);
    expect(cut(0, 4)).toEqual([]);
  });

  it("has the chains that cost least, unless told otherwise", () => {
    const chunks = (width: number, shift: number): (readonly number[])[] => {
      const { high, low } = tableGate({ kind: "table", function: "relu", width, shift, modulus: width });
      return [high.chunks, low.chunks];
    };
    expect(chunks(48, 16)).toEqual([
      [6, 5, 5, 5, 5, 5],
      [4, 4, 4, 4],
    ]);
    expect(chunks(40, 16)).toEqual([
      [5, 5, 5, 4, 4],
      [4, 4, 4, 4],
    ]);
    expect(chunks(62, 0)).toEqual([[8, 8, 8, 8, 8, 7, 7, 7], []]);
    expect(chunks(4, 2)).toEqual([[1], [2]]);
  });

  it.each([
    // opened in steps 3 and 5, words per element, bytes per element to P1
    [48, 16, 16, 2, 5, 89.375],
    [48, 0, 14, 1, 3, 130.875],
    [40, 16, 14, 2, 5, 71.5],
    [32, 10, 12, 2, 5, 62.125],
  ])("width %i, shift %i: layout", (width, shift, opened, select, words, bytes) => {
    const gate = tableGate({ kind: "table", function: "relu", width, shift, modulus: width });
    expect([gate.openedRows, gate.selectRows, gate.words]).toEqual([opened, select, words]);
    expect(gateDemand(gate, 128).corrections / 128).toBe(bytes);
  });

  it("keeps the wrap bit where it fits, at the width of the consumers", () => {
    const place = (width: number, shift: number, modulus: number): string =>
      tableGate({ kind: "table", function: "relu", width, shift, modulus }).rho;
    expect([place(48, 16, 48), place(48, 16, 32), place(48, 16, 64), place(48, 0, 48), place(48, 0, 64)]).toEqual([
      "packed", "none", "separate", "none", "separate",
    ]); // prettier-ignore
  });

  it.each([
    ["relu", 48, 47], ["relu", 63, 0], ["relu", 1, 0], ["truncate", 32, 0], ["truncate", 32, 31], ["relu", 32.5, 1],
  ] as const)("refuses a %s of width %d that cuts %d bits", (f, width, shift) => {
    expect(() => tableGate({ kind: "table", function: f, width, shift, modulus: 64 })).toThrow(RangeError);
  }); // prettier-ignore
});

describe("the schedule", () => {
  it("costs network A ten messages of the bytes that the protocol states", () => {
    expect(cost(networkA, 1).online).toEqual({ messages: 10, p1ToP0: 6816, p0ToP1: 2172 });
    expect(schedule(networkA, 1).messages.map((m) => [m.step, m.phase, m.from])).toEqual([
      [0, "offline", 1], [1, "offline", 1],
      [2, "online", 1], [3, "online", 0], [4, "online", 1], [5, "online", 0], [6, "online", 1],
      [7, "online", 0], [8, "online", 1], [9, "online", 0], [10, "online", 1], [11, "online", 0],
    ]); // prettier-ignore
  });

  it("costs network C twenty-six messages", () => expect(cost(networkC, 1).online.messages).toBe(26));

  it("puts the transcript behind P1's last message only", () => {
    const { messages } = schedule(networkA, 4);
    expect(messages.filter((m) => m.trailer > 0).map((m) => m.step)).toEqual([10]);
  });

  it("sends P1's share of a first opening in exactly one message", () => {
    const { openings, messages } = schedule(networkC, 2);
    openings.forEach((opening, index) => {
      const sent = messages.filter((m) => m.from === 1 && m.parts.some((p) => p.opening === index));
      expect(sent.length).toBe(opening.what === "output" ? 0 : 1);
    });
  });

  it("refuses an offline share of what is not known offline", () => {
    const plan = chain([8], [dense(8, 8), relu([8])], 48);
    const wrong = { ...plan, steps: [plan.steps[0], { ...plan.steps[1], input: 0 } as Step] };
    expect(() => schedule(wrong, 1)).toThrow(/step 1/);
  });

  it("predicts the dealer's bytes", () => {
    const gate = 2 * 128 * 89.375;
    expect(correctionBytes(networkA, 1)).toBe(gate + 8 * (128 + 128 + 10));
    expect(cost(networkA, 1)).toMatchObject({
      comparisons: 256,
      offline: { messages: 2, p1ToP0: 1536, dealerToP0: 48 },
    });
  });
});
