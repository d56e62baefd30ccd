import { OnnxBuilder, type AttributeValue, type Dimension } from "../onnx/onnx-builder.js";
import { randomValues } from "./random-values.js";

export interface OperatorCase {
  readonly name: string;
  readonly onnx: Uint8Array;
  /** Records that the file is for, where it fixes them. */
  readonly records?: number;
}

type Attributes = Readonly<Record<string, AttributeValue>>;
type Make = (builder: OnnxBuilder) => string;

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);
const random = (b: OnnxBuilder, ...dims: number[]): string => b.constant(randomValues(product(dims), -1, 1), dims);
const ints = (b: OnnxBuilder, ...values: number[]): string => b.constant(values, [values.length], "int64");
const positive = (b: OnnxBuilder, count: number): string => b.constant(randomValues(count, 0.5, 2), [count]);

function single(name: string, input: readonly Dimension[], make: Make, opset?: number): OperatorCase {
  const builder = new OnnxBuilder(input, opset);
  return { name, onnx: builder.build(make(builder)), records: typeof input[0] === "number" ? input[0] : undefined };
}

const conv = (
  name: string,
  input: readonly Dimension[],
  weights: number[],
  attributes: Attributes,
  bias = true,
): OperatorCase =>
  single(`Conv ${name}`, input, (b) =>
    b.node("Conv", ["x", random(b, ...weights), ...(bias ? [random(b, weights[0])] : [])], attributes),
  );

const pool = (
  op: string,
  name: string,
  input: readonly Dimension[],
  attributes: Attributes,
  opset = 13,
): OperatorCase => single(`${op} ${name}`, input, (b) => b.node(op, ["x"], attributes), opset);

const k2 = { kernel_shape: [2, 2], strides: [2, 2] };
const image = ["N", 3, 9, 8] as const;
const signal = ["N", 2, 17] as const;

const pools = (op: string): OperatorCase[] => [
  pool(op, "2x2", image, k2),
  pool(op, "3x2, stride 1x2", image, { kernel_shape: [3, 2], strides: [1, 2] }),
  pool(op, "pads", image, { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 0, 1, 2] }),
  pool(op, "SAME_UPPER", image, { ...k2, auto_pad: "SAME_UPPER" }),
  pool(op, "SAME_LOWER", image, { kernel_shape: [3, 3], strides: [2, 2], auto_pad: "SAME_LOWER" }),
  pool(op, "VALID", image, { ...k2, auto_pad: "VALID" }),
  pool(op, "ceil_mode", image, { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1n }),
  pool(op, "ceil_mode with pads", image, { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], ceil_mode: 1n }),
  pool(op, "1-D", signal, { kernel_shape: [3], strides: [2] }),
  pool(op, "1-D pads", signal, { kernel_shape: [4], strides: [3], pads: [1, 2] }),
];

/** Each operator with each of its options, compared with ONNX Runtime. */
export const OPERATOR_CASES: readonly OperatorCase[] = [
  single("Gemm", ["N", 6], (b) => b.node("Gemm", ["x", random(b, 6, 4), random(b, 4)])),
  single("Gemm transB, alpha, beta", ["N", 6], (b) =>
    b.node("Gemm", ["x", random(b, 4, 6), random(b, 1, 4)], { transB: 1n, alpha: 0.5, beta: -2 }),
  ),
  single("Gemm scalar bias", ["N", 6], (b) => b.node("Gemm", ["x", random(b, 6, 4), b.constant([0.25], [])])),
  single("Gemm without bias", ["N", 6], (b) => b.node("Gemm", ["x", random(b, 6, 4)]), 11),
  single("MatMul and Add", ["N", 6], (b) => b.node("Add", [b.node("MatMul", ["x", random(b, 6, 4)]), random(b, 4)])),
  single("Add and MatMul", ["N", 6], (b) => b.node("MatMul", [b.node("Add", [random(b, 1, 6), "x"]), random(b, 6, 4)])),
  single("MatMul of a row", ["N", 1, 6], (b) => b.node("MatMul", ["x", random(b, 6, 4)])),
  conv("3x3", image, [4, 3, 3, 3], {}),
  conv("without bias", image, [4, 3, 3, 3], {}, false),
  conv("strides and pads", image, [4, 3, 3, 2], { strides: [2, 3], pads: [1, 0, 2, 1] }),
  conv("dilations", image, [4, 3, 3, 2], { dilations: [2, 3], pads: [2, 2, 2, 2] }),
  conv("groups", ["N", 4, 7, 7], [6, 2, 3, 3], { group: 2n, pads: [1, 1, 1, 1] }),
  conv("depthwise", ["N", 4, 7, 7], [8, 1, 3, 3], { group: 4n }),
  conv("SAME_UPPER", image, [2, 3, 4, 4], { auto_pad: "SAME_UPPER", strides: [2, 2] }),
  conv("SAME_LOWER", image, [2, 3, 4, 3], { auto_pad: "SAME_LOWER", strides: [2, 1] }),
  conv("VALID", image, [2, 3, 2, 2], { auto_pad: "VALID", kernel_shape: [2, 2] }),
  conv("1-D", signal, [5, 2, 3], { strides: [2], pads: [1, 2], dilations: [2] }),
  conv("1-D groups", ["N", 4, 9], [4, 1, 3], { group: 4n }),
  ...pools("MaxPool"),
  ...pools("AveragePool"),
  pool("MaxPool", "dilations", image, { kernel_shape: [2, 3], dilations: [2, 2] }),
  pool("MaxPool", "storage_order", image, { ...k2, storage_order: 1n }),
  pool("AveragePool", "dilations", image, { kernel_shape: [2, 3], dilations: [2, 2] }, 19),
  pool("AveragePool", "count_include_pad", image, { ...k2, pads: [1, 1, 1, 1], count_include_pad: 1n }),
  pool("GlobalAveragePool", "2-D", image, {}),
  pool("GlobalAveragePool", "1-D", signal, {}),
  pool("GlobalMaxPool", "2-D", image, {}),
  pool("GlobalMaxPool", "1-D", signal, {}),
  single("Relu of the input", ["N", 3, 5], (b) => b.node("Relu", ["x"])),
  single("Relu of a Relu", ["N", 6], (b) => b.node("Relu", [b.node("Relu", [b.node("Gemm", ["x", random(b, 6, 4)])])])),
  single("Flatten", ["N", 3, 4], (b) => b.node("Relu", [b.node("Flatten", ["x"])])),
  single("Flatten, negative axis", ["N", 1, 4], (b) => b.node("Relu", [b.node("Flatten", ["x"], { axis: -1n })])),
  single("Reshape", ["N", 3, 4], (b) => b.node("Gemm", [b.node("Reshape", ["x", ints(b, 0, -1)]), random(b, 12, 2)])),
  single("Reshape, -1 first", ["N", 3, 4], (b) => b.node("Relu", [b.node("Reshape", ["x", ints(b, -1, 2, 6)])])),
  single("Reshape, 0 copies", ["N", 3, 4], (b) => b.node("Relu", [b.node("Reshape", ["x", ints(b, 0, 0, 2, 2)])])),
  single("Reshape of a file for one record", [1, 3, 4], (b) =>
    b.node("Relu", [b.node("Reshape", ["x", ints(b, 1, 12)])]),
  ),
  single("Reshape, -1 in a file for one record", [1, 3, 4], (b) =>
    b.node("Relu", [b.node("Reshape", ["x", ints(b, 1, -1)])]),
  ),
  single("Reshape of a file for three records", [3, 3, 4], (b) =>
    b.node("Relu", [b.node("Reshape", ["x", ints(b, 3, -1)])]),
  ),
  single("Flatten, axis 0 of a file for one record", [1, 3, 4], (b) =>
    b.node("Relu", [b.node("Flatten", ["x"], { axis: 0n })]),
  ),
  single("Reshape of a constant", ["N", 6], (b) =>
    b.node("MatMul", ["x", b.node("Reshape", [random(b, 2, 3, 4), ints(b, 6, -1)])]),
  ),
  single(
    "Squeeze and Unsqueeze, attributes",
    ["N", 1, 6],
    (b) => b.node("Relu", [b.node("Unsqueeze", [b.node("Squeeze", ["x"], { axes: [1] })], { axes: [1, 3] })]),
    11,
  ),
  single("Squeeze and Unsqueeze, inputs", ["N", 1, 6], (b) =>
    b.node("Relu", [b.node("Unsqueeze", [b.node("Squeeze", ["x", ints(b, -2)]), ints(b, -1)])]),
  ),
  single("Squeeze of a constant", ["N", 6], (b) =>
    b.node("Add", [b.node("Gemm", ["x", random(b, 6, 4)]), b.node("Squeeze", [random(b, 1, 4), ints(b, 0)])]),
  ),
  single("Add of a constant to the input", ["N", 3, 4], (b) => b.node("Add", ["x", random(b, 3, 1)])),
  single("Add of a constant per channel", image, (b) =>
    b.node("Add", [b.node("Conv", ["x", random(b, 4, 3, 3, 3)]), random(b, 4, 1, 1)]),
  ),
  single("Add of a constant per element", image, (b) =>
    b.node("Relu", [b.node("Add", [b.node("Conv", ["x", random(b, 4, 3, 3, 3)]), random(b, 1, 4, 7, 6)])]),
  ),
  single("Add of constants", ["N", 4], (b) => b.node("Add", ["x", b.node("Add", [random(b, 4), random(b, 1)])])),
  single("Add of the input to itself", ["N", 4], (b) => b.node("Add", ["x", "x"])),
  single("Add, residual behind a ReLU", ["N", 6], (b) => {
    const first = b.node("Relu", [b.node("Gemm", ["x", random(b, 6, 6)])]);
    return b.node("Relu", [b.node("Add", [b.node("Gemm", [first, random(b, 6, 6)]), first])]);
  }),
  single("Add, residual of the input, read again", ["N", 6], (b) => {
    const sum = b.node("Add", ["x", b.node("Gemm", ["x", random(b, 6, 6)])]);
    return b.node("Add", [b.node("Gemm", [sum, random(b, 6, 6)]), sum]);
  }),
  single("Add of two branches", image, (b) => {
    const left = b.node("Conv", ["x", random(b, 4, 3, 1, 1), random(b, 4)]);
    const right = b.node("Conv", ["x", random(b, 4, 3, 3, 3)], { pads: [1, 1, 1, 1] });
    return b.node("Relu", [b.node("Add", [left, right])]);
  }),
  single("Add of an average pool and a maximum pool", image, (b) =>
    b.node("Add", [b.node("AveragePool", ["x"], k2), b.node("MaxPool", ["x"], k2)]),
  ),
  single("BatchNormalization behind Conv", image, (b) =>
    b.node("BatchNormalization", [
      b.node("Conv", ["x", random(b, 4, 3, 3, 3), random(b, 4)]),
      ...[positive(b, 4), random(b, 4), random(b, 4), positive(b, 4)],
    ]),
  ),
  single("BatchNormalization before a padded Conv", image, (b) =>
    b.node("Conv", [normalised(b, 3), random(b, 4, 3, 3, 3)], { pads: [1, 1, 1, 1] }),
  ),
  single("BatchNormalization before Conv", image, (b) => b.node("Conv", [normalised(b, 3), random(b, 4, 3, 3, 3)])),
  single("BatchNormalization before grouped Conv", ["N", 4, 5, 5], (b) =>
    b.node("Conv", [normalised(b, 4), random(b, 4, 2, 3, 3)], { group: 2n }),
  ),
  single("BatchNormalization before Gemm", ["N", 6], (b) => b.node("Gemm", [normalised(b, 6), random(b, 6, 4)])),
  single("BatchNormalization alone, opset 7", ["N", 3, 4], (b) => normalised(b, 3, 0.01), 7),
  single("Dropout and Identity", ["N", 6], (b) =>
    b.node("Identity", [b.node("Dropout", [b.node("Gemm", ["x", random(b, 6, 4)]), b.constant([0.5], [])])]),
  ),
  single("linear behind linear", ["N", 6], (b) =>
    b.node("Gemm", [b.node("Gemm", ["x", random(b, 6, 5)]), random(b, 5, 4), random(b, 4)]),
  ),
  single("linear, maximum pool, linear", image, (b) =>
    b.node("Conv", [b.node("MaxPool", [b.node("Conv", ["x", random(b, 4, 3, 3, 3)])], k2), random(b, 2, 4, 2, 2)]),
  ),
  single("ReLU before maximum pool", image, (b) =>
    b.node("MaxPool", [b.node("Relu", [b.node("Conv", ["x", random(b, 4, 3, 3, 3), random(b, 4)])])], k2),
  ),
  single("average pool, ReLU, linear", image, (b) => averaged(b, {}, "Relu")),
  single("uneven average pool, ReLU, linear", image, (b) => averaged(b, { pads: [1, 1, 1, 1] }, "Relu")),
  single("uneven average pool, linear convolution", image, (b) => {
    const pooled = b.node("AveragePool", [b.node("Conv", ["x", random(b, 4, 3, 3, 3)])], { ...k2, pads: [1, 1, 1, 1] });
    return b.node("Conv", [b.node("Relu", [pooled]), random(b, 2, 4, 2, 2)]);
  }),
  single("average pool of an average pool, constant", image, (b) => {
    const twice = b.node("AveragePool", [b.node("AveragePool", ["x"], { ...k2, pads: [1, 0, 0, 0] })], k2);
    return b.node("Add", [twice, random(b, 3, 1, 1)]);
  }),
  single("uneven average pool, maximum pool", image, (b) =>
    b.node("MaxPool", [b.node("AveragePool", ["x"], { ...k2, pads: [1, 1, 1, 1] })], k2),
  ),
  ...["Softmax", "LogSoftmax"].flatMap((op) => [
    single(`${op} last`, ["N", 6], (b) => b.node(op, [b.node("Gemm", ["x", random(b, 6, 4)])])),
    single(`${op} over rows`, ["N", 3, 4], (b) => b.node(op, [b.node("Add", ["x", "x"])], { axis: -1n })),
    single(`${op} over channels of one element`, ["N", 4, 3, 3], (b) =>
      b.node(op, [b.node("GlobalAveragePool", ["x"])], { axis: 1n }),
    ),
    single(`${op} of opset 11 joins dimensions`, ["N", 3, 4], (b) => b.node(op, [b.node("Add", ["x", "x"])]), 11),
  ]),
  single("Sigmoid last", ["N", 6], (b) =>
    b.node("Identity", [b.node("Sigmoid", [b.node("Gemm", ["x", random(b, 6, 4)])])]),
  ),
];

function normalised(b: OnnxBuilder, channels: number, epsilon = 1e-5): string {
  const parameters = [positive(b, channels), random(b, channels), random(b, channels), positive(b, channels)];
  return b.node("BatchNormalization", ["x", ...parameters], { epsilon });
}

function averaged(b: OnnxBuilder, attributes: Attributes, activation: string): string {
  const pooled = b.node("AveragePool", [b.node("Conv", ["x", random(b, 4, 3, 3, 3)])], { ...k2, ...attributes });
  const flat = b.node("Flatten", [b.node(activation, [pooled])]);
  const size = attributes.pads ? 64 : 36;
  return b.node("Gemm", [flat, random(b, size === 64 ? 4 * 4 * 4 : 4 * 3 * 3, 2)]);
}
