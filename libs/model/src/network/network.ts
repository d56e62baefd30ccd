import type { ConvShape, DenseShape, OutputSpec, Window } from "@parley/plan";

/** A model as layers over real numbers, without a batch dimension, between ONNX and the plan. */
export interface Network {
  /** Shape of one record of the input, value 0. */
  readonly inputShape: readonly number[];
  /** Elements of one record of each value; the index is the value's id. */
  readonly sizes: number[];
  /** In order of execution. */
  layers: Layer[];
  output: ValueId;
  readonly outputShape: readonly number[];
  readonly head: OutputSpec["head"];
  /** The real output is `factor` times the output value. */
  factor: number;
}

export type ValueId = number;

interface Unary {
  /** What the file calls the node. */
  readonly name: string;
  readonly input: ValueId;
  readonly output: ValueId;
}

export interface LinearLayer extends Unary {
  readonly op: "linear";
  readonly shape: DenseShape | ConvShape;
  /** As the plan's step orders them. */
  readonly weights: Float64Array;
  /** One per output feature or channel. */
  readonly bias?: Float64Array;
}

export interface ReluLayer extends Unary {
  readonly op: "relu";
}

interface Pool extends Unary {
  readonly channels: number;
  readonly window: Window;
}

export interface MaxPoolLayer extends Pool {
  readonly op: "maxpool";
}

export interface AveragePoolLayer extends Pool {
  readonly op: "averagepool";
  /** What the sum over the window is divided by, per position [outHeight][outWidth]. */
  readonly divisors: Float64Array;
}

export interface SumPoolLayer extends Pool {
  readonly op: "sumpool";
}

export interface AddLayer {
  readonly op: "add";
  readonly name: string;
  readonly inputs: readonly [ValueId, ValueId];
  readonly output: ValueId;
}

export interface AddConstantLayer extends Unary {
  readonly op: "add-constant";
  /** One per element of a record. */
  readonly constant: Float64Array;
}

/** z = scale[channel] x + shift[channel]: a batch normalisation that has not been folded yet. */
export interface AffineLayer extends Unary {
  readonly op: "affine";
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

export type Layer =
  LinearLayer | ReluLayer | MaxPoolLayer | AveragePoolLayer | SumPoolLayer | AddLayer | AddConstantLayer | AffineLayer;

export function layerInputs(layer: Layer): readonly ValueId[] {
  return layer.op === "add" ? layer.inputs : [layer.input];
}

/** How often each value is read, the output included. */
export function readCounts(network: Network): number[] {
  const counts = network.sizes.map(() => 0);
  for (const layer of network.layers) for (const input of layerInputs(layer)) counts[input]++;
  counts[network.output]++;
  return counts;
}

/** The same layer with its inputs renamed. */
export function renameInputs(layer: Layer, rename: (id: ValueId) => ValueId): Layer {
  return layer.op === "add"
    ? { ...layer, inputs: [rename(layer.inputs[0]), rename(layer.inputs[1])] }
    : { ...layer, input: rename(layer.input) };
}

/** A diagonal operand: a convolution with one 1x1 filter per channel of `spatial` elements. */
export function diagonalShape(channels: number, spatial: number): ConvShape {
  return {
    kind: "conv",
    inChannels: channels,
    outChannels: channels,
    groups: channels,
    inHeight: 1,
    inWidth: spatial,
    outHeight: 1,
    outWidth: spatial,
    kernelHeight: 1,
    kernelWidth: 1,
    strideHeight: 1,
    strideWidth: 1,
    dilationHeight: 1,
    dilationWidth: 1,
    padTop: 0,
    padLeft: 0,
    padBottom: 0,
    padRight: 0,
  };
}
