import { randomBytes, randomInt } from "node:crypto";
import { PlanError } from "@parley/plan";
import { describe, expect, it } from "vitest";
import { ModelProto } from "./gen/onnx.js";
import { importOnnx } from "./import-onnx.js";
import { OnnxBuilder, type Dimension } from "./onnx/onnx-builder.js";
import { scanModel } from "./onnx/scan.js";
import { randomValues } from "./spec-support/random-values.js";

type Make = (builder: OnnxBuilder) => string;

function refusal(input: readonly Dimension[], make: Make, opset?: number): PlanError {
  const builder = new OnnxBuilder(input, opset);
  try {
    importOnnx(builder.build(make(builder)));
  } catch (error) {
    if (error instanceof PlanError) return error;
    throw error;
  }
  throw new Error("the model was accepted");
}

const matrix = (b: OnnxBuilder, rows: number, columns: number): string =>
  b.constant(randomValues(rows * columns, -1, 1), [rows, columns]);
const image = ["N", 3, 8, 8];
const filters = (b: OnnxBuilder, ...dims: number[]): string =>
  b.constant(
    randomValues(
      dims.reduce((x, y) => x * y),
      -1,
      1,
    ),
    dims,
  );

/** What is refused, why, and a part of the message that names the thing. */
const REFUSALS: readonly [string, string, string, readonly Dimension[], Make, number?][] = [
  [
    "an unknown operator",
    "UNSUPPORTED_OPERATOR",
    'node "n1" (Tanh)',
    ["N", 4],
    (b) => b.node("Tanh", [b.node("Relu", ["x"])]),
  ],
  [
    "another domain",
    "UNSUPPORTED_OPERATOR",
    "com.microsoft",
    ["N", 4],
    (b) => b.node("Gelu", ["x"], {}, "com.microsoft"),
  ],
  [
    "Softmax in the middle",
    "UNSUPPORTED_OPERATOR",
    'node "n1" (Relu)',
    ["N", 4],
    (b) => b.node("Relu", [b.node("Softmax", ["x"])]),
  ],
  [
    "Softmax over channels",
    "UNSUPPORTED_ATTRIBUTE",
    "axis = 1",
    image,
    (b) => b.node("Softmax", [b.node("Relu", ["x"])], { axis: 1n }),
  ],
  ["an unknown attribute", "UNSUPPORTED_ATTRIBUTE", '"slope"', ["N", 4], (b) => b.node("Relu", ["x"], { slope: 0.1 })],
  [
    "transA",
    "UNSUPPORTED_ATTRIBUTE",
    "transA",
    ["N", 4],
    (b) => b.node("Gemm", ["x", matrix(b, 4, 4)], { transA: 1n }),
  ],
  [
    "auto_pad of another kind",
    "UNSUPPORTED_ATTRIBUTE",
    "SAME",
    image,
    (b) => b.node("MaxPool", ["x"], { kernel_shape: [2, 2], auto_pad: "SAME" }),
  ],
  [
    "count_include_pad across the padding",
    "UNSUPPORTED_ATTRIBUTE",
    "count_include_pad",
    image,
    (b) =>
      b.node("AveragePool", ["x"], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1n, count_include_pad: 1n }),
  ],
  [
    "a window over padding",
    "UNSUPPORTED_MODEL",
    "padding alone",
    image,
    (b) => b.node("MaxPool", ["x"], { kernel_shape: [2, 2], pads: [2, 2, 2, 2] }),
  ],
  [
    "three dimensions",
    "UNSUPPORTED_MODEL",
    "[N,1,4,4,4]",
    ["N", 1, 4, 4, 4],
    (b) => b.node("Conv", ["x", filters(b, 1, 1, 2, 2, 2)]),
  ],
  [
    "a kernel larger than the image",
    "MALFORMED_ONNX",
    "larger",
    image,
    (b) => b.node("Conv", ["x", filters(b, 1, 3, 9, 9)]),
  ],
  [
    "groups that do not divide",
    "MALFORMED_ONNX",
    "2 groups",
    image,
    (b) => b.node("Conv", ["x", filters(b, 2, 3, 3, 3)], { group: 2n }),
  ],
  [
    "strides of 0",
    "MALFORMED_ONNX",
    "strides",
    image,
    (b) => b.node("MaxPool", ["x"], { kernel_shape: [2, 2], strides: [0, 1] }),
  ],
  [
    "negative pads",
    "MALFORMED_ONNX",
    "pads",
    image,
    (b) => b.node("MaxPool", ["x"], { kernel_shape: [2, 2], pads: [0, 0, -1, 0] }),
  ],
  [
    "features that differ",
    "MALFORMED_ONNX",
    "4 features with a matrix for 5",
    ["N", 4],
    (b) => b.node("MatMul", ["x", matrix(b, 5, 2)]),
  ],
  [
    "a product of two activations",
    "UNSUPPORTED_MODEL",
    "computed from the data",
    ["N", 4],
    (b) => b.node("MatMul", ["x", "x"]),
  ],
  [
    "a matrix before the data",
    "UNSUPPORTED_MODEL",
    "input 1",
    ["N", 4],
    (b) => b.node("MatMul", [matrix(b, 4, 4), "x"]),
  ],
  [
    "shapes that do not add",
    "UNSUPPORTED_MODEL",
    "[3,8,8] and [3,4,4]",
    image,
    (b) => b.node("Add", ["x", b.node("MaxPool", ["x"], { kernel_shape: [2, 2], strides: [2, 2] })]),
  ],
  [
    "a constant that widens",
    "UNSUPPORTED_MODEL",
    "a constant of shape [2]",
    ["N", 1],
    (b) => b.node("Add", ["x", b.constant([1, 2], [2])]),
    13,
  ],
  [
    "a reshape that moves records",
    "UNSUPPORTED_MODEL",
    "[N,3,8,8]",
    image,
    (b) => b.node("Reshape", [b.node("Relu", ["x"]), b.constant([-1, 8], [2], "int64")]),
  ],
  [
    "a lost batch dimension",
    "UNSUPPORTED_MODEL",
    "batch dimension",
    [1, 1, 4],
    (b) => b.node("Squeeze", [b.node("Relu", ["x"]), b.constant([0], [1], "int64")]),
  ],
  [
    "a dimension before the batch",
    "UNSUPPORTED_MODEL",
    "batch dimension",
    ["N", 4],
    (b) => b.node("Unsqueeze", ["x", b.constant([0], [1], "int64")]),
  ],
  ["an open dimension", "UNSUPPORTED_MODEL", "dimension 3", ["N", 3, "W"], (b) => b.node("Relu", ["x"])],
  ["an unknown name", "MALFORMED_ONNX", '"nothing"', ["N", 4], (b) => b.node("Relu", ["nothing"])],
  ["an old operator set", "UNSUPPORTED_OPSET", "operator set 5", ["N", 4], (b) => b.node("Relu", ["x"]), 5],
  ["a future operator set", "UNSUPPORTED_OPSET", "operator set 99", ["N", 4], (b) => b.node("Relu", ["x"]), 99],
  [
    "NaN in the weights",
    "NOT_A_NUMBER",
    'tensor "c0"',
    ["N", 2],
    (b) => b.node("MatMul", ["x", b.constant([1, Number.NaN], [2, 1])]),
  ],
  [
    "weights cut short",
    "MALFORMED_ONNX",
    'tensor "c0"',
    ["N", 2],
    (b) => b.node("MatMul", ["x", b.constant([1], [2, 1])]),
  ],
  [
    "impossible dimensions",
    "MALFORMED_ONNX",
    'tensor "c0"',
    ["N", 2],
    (b) => b.node("MatMul", ["x", b.constant([1], [2 ** 20, 2 ** 20])]),
  ],
  [
    "a layer of too many values",
    "MODEL_TOO_LARGE",
    'node "n0"',
    ["N", 1, 4096, 4096],
    (b) => b.node("Conv", ["x", filters(b, 2, 1, 1, 1)]),
  ],
  ["nothing to compute", "NOTHING_TO_COMPUTE", "rearranges", ["N", 4], (b) => b.node("Softmax", ["x"])],
  [
    "variances that are not positive",
    "NOT_A_NUMBER",
    "variance",
    ["N", 1],
    (b) => b.node("BatchNormalization", ["x", ...[1, 1, 1, -1].map((value) => b.constant([value], [1]))]),
  ],
  [
    "training mode",
    "UNSUPPORTED_ATTRIBUTE",
    "training mode",
    ["N", 1],
    (b) =>
      b.node("BatchNormalization", ["x", ...[1, 1, 1, 1].map((value) => b.constant([value], [1]))], {
        training_mode: 1n,
      }),
    14,
  ],
];

describe("models that cannot be run privately are refused, naming the node", () => {
  it.each(REFUSALS)("%s", (_, reason, part, input, make, opset) => {
    const error = refusal(input, make, opset);
    expect(error.reason).toBe(reason);
    expect(error.message).toContain(part);
    expect(error.hint).not.toBe("");
  });

  it("says which operators are supported", () => {
    expect(refusal(["N", 4], (b) => b.node("Tanh", ["x"])).hint).toContain("Conv, Dropout, Flatten, Gemm");
  });

  it("ignores nodes that the output does not depend on", () => {
    const b = new OnnxBuilder(["N", 4]);
    b.node("Tanh", ["x"]);
    expect(importOnnx(b.build(b.node("Relu", ["x"]))).plan.steps).toHaveLength(1);
  });

  it("names the layer whose range cannot be proven", () => {
    const deep = (layers: number) => (b: OnnxBuilder) => {
      let value = "x";
      for (let i = 0; i < layers; i++)
        value = b.node("Relu", [b.node("Gemm", [value, b.constant(new Float32Array(64 * 64).fill(1), [64, 64])])]);
      return value;
    };
    const error = refusal(["N", 64], deep(9));
    expect(error.reason).toBe("RANGE_NOT_PROVEN");
    expect(error.message).toMatch(/layer "n\d+" may need \d+ bits/);
    const b = new OnnxBuilder(["N", 64]);
    expect(importOnnx(b.build(deep(3)(b))).plan.steps).toHaveLength(6);
  });
});

describe("damaged files", () => {
  const file = (): Uint8Array => {
    const b = new OnnxBuilder(["N", 3, 6, 6]);
    const conv = b.node("Conv", ["x", filters(b, 2, 3, 3, 3), b.constant([1, 2], [2])], { pads: [1, 1, 1, 1] });
    const flat = b.node("Reshape", [
      b.node("MaxPool", [conv], { kernel_shape: [2, 2] }),
      b.constant([0, -1], [2], "int64"),
    ]);
    return b.build(b.node("Softmax", [b.node("Gemm", [flat, matrix(b, 50, 2)])]));
  };
  /** Accepted or refused with a PlanError; anything else fails the test. */
  const survives = (bytes: Uint8Array): void => {
    try {
      importOnnx(bytes);
    } catch (error) {
      if (!(error instanceof PlanError)) throw error;
    }
  };

  it("cut anywhere are refused", () => {
    const whole = file();
    for (let length = 0; length < whole.length; length++)
      expect(() => importOnnx(whole.subarray(0, length))).toThrow(PlanError);
  });

  it("with changed bytes never crash", () => {
    const whole = file();
    for (let i = 0; i < 3000; i++) {
      const damaged = whole.slice();
      for (let j = randomInt(1, 4); j > 0; j--) damaged[randomInt(damaged.length)] = randomInt(256);
      survives(damaged);
    }
    for (let i = 0; i < 300; i++) survives(randomBytes(randomInt(1, 200)));
  });

  it("that would decode to millions of objects are refused before they do", () => {
    const nodes = new Uint8Array(2 << 20);
    for (let i = 0; i < nodes.length; i += 2) nodes[i] = 0x0a; // an empty NodeProto in two bytes
    const length = [0x80, 0x80, 0x80, 0x01]; // 2 MiB as a varint
    const bytes = Uint8Array.from([0x3a, ...length, ...nodes]);
    expect(() => importOnnx(bytes)).toThrow("more than 262144 fields");
    expect(() => scanModel(Uint8Array.from([0x3a, 0xff, 0xff, 0xff, 0x7f, 1]), 10)).toThrow("longer than its message");
  });

  it("keep control characters out of messages and plans", () => {
    const model = ModelProto.decode(file());
    const [first] = model.graph?.node ?? [];
    first.name = "conv\n\u001b[31m";
    const { plan } = importOnnx(ModelProto.encode(model).finish());
    expect(plan.steps[0].name).toBe("conv  [31m");
  });
});
