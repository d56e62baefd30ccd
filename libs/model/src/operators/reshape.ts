import type { NodeReader } from "../onnx/node-reader.js";
import {
  constantInput,
  isSignal,
  optionalConstant,
  product,
  type Operand,
  type Operator,
  type OperatorContext,
} from "./operator.js";

const KEEP_BATCH = "The first dimension must stay the number of records.";

function operandInput({ node, inputs }: OperatorContext): Operand {
  return inputs[0] ?? node.refuse("lacks its input", "Export the model again.", "MALFORMED_ONNX");
}

/** Applies a change of dimensions: `all` for constants, `behind` for the record shape of an activation. */
function reshaped(
  context: OperatorContext,
  all: (dims: readonly number[]) => number[],
  behind: (shape: readonly number[]) => number[],
): Operand {
  const operand = operandInput(context);
  const from = isSignal(operand) ? operand.shape : operand.dims;
  const to = isSignal(operand) ? behind(from) : all(from);
  if (product(to) !== product(from))
    context.node.refuse(
      `turns shape [${from.join()}] into [${to.slice(0, 9).join()}]`,
      "Both need the same number of elements.",
      "MALFORMED_ONNX",
    );
  return isSignal(operand) ? { ...operand, shape: to } : { ...operand, dims: to };
}

/** Fills in -1 by the number of elements. */
function infer(node: NodeReader, target: readonly number[], elements: number): number[] {
  const known = product(target.filter((dim) => dim !== -1));
  const unknown = target.filter((dim) => dim === -1).length;
  if (unknown > 1 || target.some((dim) => dim < -1))
    node.refuse(
      `has an impossible target shape [${target.slice(0, 9).join()}]`,
      "Export the model again.",
      "MALFORMED_ONNX",
    );
  return target.map((dim) => (dim === -1 ? elements / known : dim));
}

export const reshape: Operator = (context) => {
  const { node, batch } = context;
  const target = [...constantInput(context, 1).values];
  const allowZero = node.integer("allowzero", 0) !== 0;
  const copy = (dims: readonly number[], offset: number) => (dim: number, i: number) =>
    dim === 0 && !allowZero ? (dims[i + offset] ?? 0) : dim;
  return reshaped(
    context,
    (dims) => infer(node, target.map(copy(dims, 0)), product(dims)),
    (shape) => {
      const [first, ...rest] = target;
      // 0 copies the batch dimension; -1, the file's own number and 1 (exported for one record) keep it if the rest is one record
      const keeps = (first === 0 && !allowZero) || first === -1 || first === (batch ?? 1) || first === 1;
      const to = rest.map(copy(shape, 0));
      const record = first === -1 && to.includes(-1) ? undefined : infer(node, to, product(shape));
      if (!keeps || record === undefined || product(record) !== product(shape))
        return node.refuse(
          `turns an activation of shape [N,${shape.join()}] into [${target.slice(0, 9).join()}]`,
          KEEP_BATCH,
        );
      return record;
    },
  );
};

export const flatten: Operator = (context) => {
  const { node, batch } = context;
  const axis = node.integer("axis", 1);
  const split = (rank: number): number => (axis < 0 ? axis + rank : axis);
  return reshaped(
    context,
    (dims) => [product(dims.slice(0, split(dims.length))), product(dims.slice(split(dims.length)))],
    (shape) => {
      const at = split(shape.length + 1);
      const keeps = at === 0 ? batch === 1 : product(shape.slice(0, at - 1)) === 1;
      if (at < 0 || at > shape.length + 1 || !keeps)
        node.refuse(`has axis = ${axis} on an activation of shape [N,${shape.join()}]`, KEEP_BATCH);
      return [product(shape)];
    },
  );
};

/** The axes: an attribute up to operator set 12, an input from 13 on. */
function readAxes(context: OperatorContext): number[] | undefined {
  const attribute = context.node.integers("axes");
  const input = context.inputs.length > 1 ? optionalConstant(context, 1) : undefined;
  return attribute ?? (input && [...input.values]);
}

function squeezed(node: NodeReader, dims: readonly number[], axes: readonly number[] | undefined): number[] {
  const chosen = new Set(
    (axes ?? dims.flatMap((dim, i) => (dim === 1 ? [i] : []))).map((axis) => (axis < 0 ? axis + dims.length : axis)),
  );
  for (const axis of chosen)
    if (dims[axis] !== 1)
      node.refuse(`squeezes axis ${axis}, which is not of length 1`, "Export the model again.", "MALFORMED_ONNX");
  return dims.filter((_, i) => !chosen.has(i));
}

/** Stands for the batch dimension where the file allows any number: no axis of length 1. */
const ANY = Number.POSITIVE_INFINITY;

export const squeeze: Operator = (context) => {
  const { node } = context;
  const axes = readAxes(context);
  return reshaped(
    context,
    (dims) => squeezed(node, dims, axes),
    (shape) => {
      const full = [context.batch ?? ANY, ...shape];
      if (axes?.some((axis) => axis === 0 || axis === -full.length) || (axes === undefined && full[0] === 1))
        node.refuse("removes the batch dimension", KEEP_BATCH);
      return squeezed(node, full, axes).slice(1);
    },
  );
};

function unsqueezed(node: NodeReader, dims: readonly number[], axes: readonly number[]): number[] {
  const rank = dims.length + axes.length;
  const chosen = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
  if (chosen.size !== axes.length || [...chosen].some((axis) => axis < 0 || axis >= rank))
    node.refuse(`has impossible axes [${axes.slice(0, 9).join()}]`, "Export the model again.", "MALFORMED_ONNX");
  const rest = [...dims];
  return Array.from({ length: rank }, (_, i) => (chosen.has(i) ? 1 : (rest.shift() ?? 1)));
}

export const unsqueeze: Operator = (context) => {
  const { node } = context;
  const axes = readAxes(context) ?? node.refuse("lacks its axes", "Export the model again.", "MALFORMED_ONNX");
  return reshaped(
    context,
    (dims) => unsqueezed(node, dims, axes),
    (shape) => {
      const full = unsqueezed(node, [ANY, ...shape], axes);
      if (full[0] !== ANY) node.refuse("puts a dimension before the batch dimension", KEEP_BATCH);
      return full.slice(1);
    },
  );
};

export const identity: Operator = (context) => operandInput(context);

/** Dropout does nothing in inference. */
export const dropout: Operator = (context) => {
  const { node } = context;
  node.ignore("ratio", "seed");
  const training = optionalConstant(context, 2);
  const trains = node.opset < 7 ? node.integer("is_test", 0) === 0 : training !== undefined && training.values[0] !== 0;
  if (trains) node.refuse("is in training mode", "Export the model for inference.", "UNSUPPORTED_ATTRIBUTE");
  if (node.outputs.length > 1 && context.isRead(node.outputs[1]))
    node.refuse("has its mask read", "Export the model for inference.");
  return operandInput(context);
};

export const constant: Operator = ({ node }) => {
  const tensor = node.tensor("value");
  if (tensor) return tensor;
  const scalars = [node.integers("value_ints"), node.floats("value_floats")];
  const list = scalars.find((values) => values !== undefined);
  if (list) return { dims: [list.length], values: Float64Array.from(list), integer: scalars[0] !== undefined };
  const integer = node.integer("value_int", Number.NaN);
  const value = Number.isNaN(integer) ? node.float("value_float", Number.NaN) : integer;
  if (Number.isNaN(value))
    node.refuse(
      "holds neither a tensor nor numbers",
      "Supported: value, value_float(s), value_int(s).",
      "UNSUPPORTED_ATTRIBUTE",
    );
  return { dims: [], values: Float64Array.of(value), integer: !Number.isNaN(integer) };
};
