import type { Constant } from "../onnx/tensor-values.js";
import { broadcastShape, broadcastTo } from "./broadcast.js";
import { isSignal, type Operator, type OperatorContext, type Signal } from "./operator.js";

/** Add: of two activations of one shape (a residual branch), of an activation and a constant, or of two constants. */
export const add: Operator = (context) => {
  const { node, inputs, emit } = context;
  const [a, b] = inputs;
  if (a === undefined || b === undefined)
    return node.refuse("lacks an input", "Export the model again.", "MALFORMED_ONNX");
  if (!isSignal(a)) return isSignal(b) ? addConstant(context, b, a) : addConstants(context, a, b);
  if (!isSignal(b)) return addConstant(context, a, b);
  const same = a.shape.length === b.shape.length && a.shape.every((dim, i) => dim === b.shape[i]);
  if (!same)
    return node.refuse(
      `adds activations of shapes [${a.shape.join()}] and [${b.shape.join()}]`,
      "Both must have one shape.",
    );
  return emit({ op: "add", inputs: [a.id, b.id] }, a.shape);
};

function addConstant({ node, emit }: OperatorContext, signal: Signal, constant: Constant): Signal {
  const values = broadcastTo(constant, [1, ...signal.shape]); // 1: the same constant for every record
  if (values === undefined)
    return node.refuse(
      `adds a constant of shape [${constant.dims.join()}] to an activation of shape [N,${signal.shape.join()}]`,
      "The constant must broadcast to one record of the activation.",
    );
  return emit({ op: "add-constant", input: signal.id, constant: values }, signal.shape);
}

function addConstants({ node }: OperatorContext, a: Constant, b: Constant): Constant {
  const dims = broadcastShape(a.dims, b.dims);
  const x = dims && broadcastTo(a, dims);
  const y = dims && broadcastTo(b, dims);
  if (!dims || !x || !y)
    return node.refuse("adds constants whose shapes do not broadcast", "Export the model again.", "MALFORMED_ONNX");
  return { dims, values: x.map((value, i) => value + y[i]), integer: a.integer && b.integer };
}
