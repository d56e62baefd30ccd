import type { OutputSpec } from "@parley/plan";
import type { Layer, ValueId } from "../network/network.js";
import type { NodeReader } from "../onnx/node-reader.js";
import type { Constant } from "../onnx/tensor-values.js";

/** A value that depends on the input: a record's shape, behind a batch dimension that is always first. */
export interface Signal {
  readonly id: ValueId;
  readonly shape: readonly number[];
  /** What the client applies to it in the clear. Set by the last node only. */
  readonly head: OutputSpec["head"];
  /** Name of the node that set the head. */
  readonly headNode?: string;
}

export type Operand = Signal | Constant;

export const isSignal = (operand: Operand | undefined): operand is Signal => operand !== undefined && "id" in operand;

/** A layer before its output has an id. */
export type NewLayer = Layer extends infer L ? (L extends Layer ? Omit<L, "output" | "name"> : never) : never;

export interface OperatorContext {
  readonly node: NodeReader;
  /** undefined where an optional input is left out. */
  readonly inputs: readonly (Operand | undefined)[];
  /** Records that the file was exported for, undefined where any number is. */
  readonly batch: number | undefined;
  /** Appends a layer whose output has this record shape. */
  emit(layer: NewLayer, shape: readonly number[]): Signal;
  /** True where a node or the graph's output reads the name. */
  isRead(name: string): boolean;
}

/** Translates one node; returns what its first output is. */
export type Operator = (context: OperatorContext) => Operand;

export const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** Input `index` as a signal. */
export function signalInput({ node, inputs }: OperatorContext, index: number): Signal {
  const operand = inputs[index];
  if (!isSignal(operand))
    return node.refuse(
      `needs an activation as input ${index + 1}, not a constant or nothing`,
      "Fold constants before exporting the model.",
    );
  return operand;
}

/** Input `index` as a constant; undefined where it is left out. */
export function optionalConstant({ node, inputs }: OperatorContext, index: number): Constant | undefined {
  const operand = inputs[index];
  if (isSignal(operand))
    return node.refuse(
      `has input ${index + 1} computed from the data, which must be a constant`,
      "Only products of data with constants are supported.",
    );
  return operand;
}

export function constantInput(context: OperatorContext, index: number): Constant {
  return (
    optionalConstant(context, index) ??
    context.node.refuse(`lacks input ${index + 1}`, "Export the model again.", "MALFORMED_ONNX")
  );
}
