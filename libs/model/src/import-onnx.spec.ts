import { parsePlan } from "@parley/plan";
import { describe, expect, it } from "vitest";
import { importOnnx } from "./import-onnx.js";
import { OnnxBuilder } from "./onnx/onnx-builder.js";
import { OPERATOR_CASES } from "./spec-support/operator-cases.js";
import { compareOnRandom, compareWithRuntime } from "./spec-support/onnx-runtime.js";
import { randomValues } from "./spec-support/random-values.js";

/** Sums of some 30 products of values below 1, activations of 16 fractional bits. */
const TOLERANCE = 0.0005;

describe("every operator and option, against ONNX Runtime", () => {
  it.each(OPERATOR_CASES)("$name", async ({ onnx, records }) => {
    const { model, difference, runtime } = await compareOnRandom(onnx, records);
    expect(difference).toBeLessThan(TOLERANCE);
    expect(runtime.some((value) => Math.abs(value) > 0.01)).toBe(true);
    expect(parsePlan(JSON.stringify(model.plan))).toEqual(model.plan);
  });
});

describe("options", () => {
  const builder = new OnnxBuilder(["N", 4]);
  const onnx = builder.build(builder.node("Gemm", ["x", builder.constant(randomValues(12, -1, 1), [4, 3])]));

  it("go into the plan", () => {
    const inputSchema = { lo: [0, 0, 0, 0], hi: [1, 2, 3, 4], names: ["a", "b", "c", "d"] };
    const { plan } = importOnnx(onnx, { inputSchema, maxRecords: 4, labels: ["x", "y", "z"] });
    expect(plan.input.schema).toEqual(inputSchema);
    expect(plan.maxRecords).toBe(4);
    expect(plan.output.labels).toEqual(["x", "y", "z"]);
    expect(importOnnx(onnx).plan.input.schema).toEqual({ lo: -256, hi: 256 });
  });

  it("are checked", () => {
    expect(() => importOnnx(onnx, { labels: ["x"] })).toThrow("one name for each of the 3 classes");
    expect(() => importOnnx(onnx, { maxRecords: 3 })).toThrow("a power of two");
    expect(() => importOnnx(onnx, { inputSchema: { lo: [0], hi: 1 } })).toThrow("the 4 features");
  });
});

describe("tabular data whose features differ in magnitude", () => {
  it("keeps its precision: each feature has a scale of its own", async () => {
    const extents = [0.01, 0.5, 30, 4000, 1, 0.002];
    const b = new OnnxBuilder(["N", 6]);
    const parameters = [
      b.constant(
        extents.map(() => 1),
        [6],
      ),
      b.constant(
        extents.map(() => 0.1),
        [6],
      ),
      b.constant(
        extents.map((extent) => extent / 2),
        [6],
      ),
      b.constant(
        extents.map((extent) => (extent / 4) ** 2),
        [6],
      ),
    ];
    const normal = b.node("BatchNormalization", ["x", ...parameters], { epsilon: 1e-12 });
    const hidden = b.node("Relu", [b.node("Gemm", [normal, b.constant(randomValues(48, -1, 1), [6, 8])])]);
    const onnx = b.build(b.node("Softmax", [b.node("Gemm", [hidden, b.constant(randomValues(16, -1, 1), [8, 2])])]));
    const rows = Array.from({ length: 50 }, () => extents.map((extent) => randomValues(1, 0, extent)[0])).flat();
    const inputSchema = { lo: 0, hi: extents };
    const { difference, model } = await compareWithRuntime(onnx, Float64Array.from(rows), 50, { inputSchema });
    expect(model.plan.input.featureScales).toEqual([6, 1, -5, -12, 0, 8]);
    expect(difference).toBeLessThan(0.00005);
  });
});

describe("lowering", () => {
  const wide = { lo: -1, hi: 1 };
  const random = (b: OnnxBuilder, ...dims: number[]): string =>
    b.constant(
      randomValues(
        dims.reduce((x, y) => x * y),
        -1,
        1,
      ),
      dims,
    );
  const ops = (b: OnnxBuilder, output: string): string[] =>
    importOnnx(b.build(output), { inputSchema: wide }).plan.steps.map((step) =>
      "share" in step ? `${step.op} ${step.share}` : step.op,
    );
  const pool = { kernel_shape: [2, 2], strides: [2, 2] };

  it("puts maximum pools before ReLUs, and shares online behind a residual addition", () => {
    const b = new OnnxBuilder(["N", 1, 6, 6]);
    const relu = b.node("Relu", [b.node("Conv", ["x", random(b, 2, 1, 3, 3)])]);
    const pooled = b.node("MaxPool", [relu], pool);
    const branch = b.node("Conv", [pooled, random(b, 2, 2, 1, 1)]);
    expect(ops(b, b.node("Relu", [b.node("Add", [branch, pooled])]))).toEqual([
      "linear",
      "maxpool offline",
      "relu online",
      "linear",
      "add",
      "relu online",
    ]);
  });

  it("leaves the divisor of a last average pool to the client", () => {
    const b = new OnnxBuilder(["N", 1, 4, 4]);
    const onnx = b.build(b.node("GlobalAveragePool", [b.node("Conv", ["x", random(b, 2, 1, 1, 1)])]));
    const { plan } = importOnnx(onnx, { inputSchema: wide });
    expect(plan.steps.map((step) => step.op)).toEqual(["linear", "sumpool"]);
    expect(plan.output.factor).toBe(1 / 16);
  });

  it("truncates between linear layers, folds constants and normalisations, and drops what does nothing", () => {
    const b = new OnnxBuilder(["N", 4]);
    const first = b.node("Add", [b.node("MatMul", [b.node("Identity", ["x"]), random(b, 4, 4)]), random(b, 4)]);
    const one = b.constant([1, 1, 1, 1], [4]);
    const normal = b.node("BatchNormalization", [b.node("Dropout", [first]), one, one, one, one]);
    expect(ops(b, b.node("Gemm", [normal, random(b, 4, 2)]))).toEqual(["linear", "truncate offline", "linear"]);
  });

  it("chooses the smallest width that is proven", () => {
    const width = (weight: number): number => {
      const b = new OnnxBuilder(["N", 1]);
      const gemm = b.node("Gemm", ["x", b.constant([weight], [1, 1])]);
      const [step] = importOnnx(b.build(b.node("Relu", [gemm])), { inputSchema: { lo: -1, hi: 1 } }).plan.steps;
      return step.op === "linear" ? step.width : 0;
    };
    // 18 bits of input, at most 21 of weight, one of sign
    expect(width(0.75)).toBe(40);
  });
});
