import type { OutputSpec } from "@parley/plan";
import { product, signalInput, type Operator } from "./operator.js";

export const relu: Operator = (context) => {
  const x = signalInput(context, 0);
  return context.emit({ op: "relu", input: x.id }, x.shape);
};

export const sigmoid: Operator = (context) => ({
  ...signalInput(context, 0),
  head: "sigmoid",
  headNode: context.node.where,
});

/**
 * Softmax and LogSoftmax over the last dimension (dimensions of 1 behind it allowed). Up to operator set 12 they join all
 * dimensions from the axis on; both readings agree where at most one of those is longer than 1.
 */
const overClasses =
  (head: OutputSpec["head"]): Operator =>
  (context) => {
    const { node } = context;
    const x = signalInput(context, 0);
    const stated = node.integer("axis", node.opset < 13 ? 1 : -1);
    const axis = stated < 0 ? stated + x.shape.length + 1 : stated;
    const classes = x.shape[axis - 1] ?? 1;
    const behind = product(x.shape.slice(axis));
    const joined = node.opset < 13 ? product(x.shape.slice(axis - 1)) : classes;
    const trailing = node.opset < 13 ? joined : behind === 1 ? classes : Number.NaN;
    if (axis < 1 || axis > Math.max(1, x.shape.length) || Number.isNaN(trailing))
      node.refuse(
        `has axis = ${stated} on an activation of shape [N,${x.shape.join()}]`,
        "Supported: over the last dimension.",
        "UNSUPPORTED_ATTRIBUTE",
      );
    return { ...x, shape: [...x.shape.slice(0, axis - 1), trailing], head, headNode: node.where };
  };

export const softmax = overClasses("softmax");
export const logSoftmax = overClasses("log-softmax");
