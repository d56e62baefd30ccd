import {
  diagonalShape,
  layerInputs,
  readCounts,
  type AddConstantLayer,
  type AffineLayer,
  type Layer,
  type LinearLayer,
  type Network,
} from "./network.js";

/** z = scale x + shift, each given for groups of consecutive elements. */
interface Diagonal {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

const rowsOut = ({ shape }: LinearLayer): number => (shape.kind === "dense" ? shape.outFeatures : shape.outChannels);
const rowsIn = ({ shape }: LinearLayer): number => (shape.kind === "dense" ? shape.inFeatures : shape.inChannels);

/** Values of equal groups of elements as values of `rows` equal groups, or undefined where one row has several. */
export function regroup(values: Float64Array, rows: number): Float64Array | undefined {
  if (rows % values.length === 0)
    return Float64Array.from({ length: rows }, (_, r) => values[Math.floor((r * values.length) / rows)]);
  if (values.length % rows !== 0) return undefined;
  const each = values.length / rows;
  const uniform = values.every((value, i) => value === values[i - (i % each)]);
  return uniform ? Float64Array.from({ length: rows }, (_, r) => values[r * each]) : undefined;
}

/** A linear layer followed by a diagonal: rows are scaled, the bias takes the shift. */
function foldBehind(linear: LinearLayer, { scale, shift }: Diagonal, output: number): LinearLayer | undefined {
  const rows = rowsOut(linear);
  const [a, b] = [regroup(scale, rows), regroup(shift, rows)];
  if (!a || !b) return undefined;
  const each = linear.weights.length / rows;
  const weights = linear.weights.map((weight, i) => weight * a[Math.floor(i / each)]);
  return { ...linear, output, weights, bias: b.map((value, r) => value + a[r] * (linear.bias?.[r] ?? 0)) };
}

/** A diagonal followed by a linear layer. Not where a convolution pads, because padding is zero behind the shift. */
function foldBefore({ scale, shift }: Diagonal, linear: LinearLayer, input: number): LinearLayer | undefined {
  const { shape } = linear;
  const [a, b] = [regroup(scale, rowsIn(linear)), regroup(shift, rowsIn(linear))];
  const pads = shape.kind === "conv" && shape.padTop + shape.padLeft + shape.padBottom + shape.padRight > 0;
  if (!a || !b || (pads && b.some((value) => value !== 0))) return undefined;
  const rows = rowsOut(linear);
  const each = linear.weights.length / rows;
  const taps = shape.kind === "dense" ? 1 : shape.kernelHeight * shape.kernelWidth;
  const perGroup = shape.kind === "dense" ? shape.inFeatures : shape.inChannels / shape.groups;
  const rowsPerGroup = shape.kind === "dense" ? rows : rows / shape.groups;
  const column = (i: number): number => {
    const row = Math.floor(i / each);
    return Math.floor(row / rowsPerGroup) * perGroup + Math.floor((i % each) / taps);
  };
  const bias = linear.bias?.slice() ?? new Float64Array(rows);
  linear.weights.forEach((weight, i) => (bias[Math.floor(i / each)] += weight * b[column(i)]));
  const weights = linear.weights.map((weight, i) => weight * a[column(i)]);
  return { ...linear, input, weights, bias: linear.bias || b.some((value) => value !== 0) ? bias : undefined };
}

function asDiagonal(layer: AffineLayer | AddConstantLayer): Diagonal {
  if (layer.op === "affine") return layer;
  return { scale: Float64Array.of(1), shift: layer.constant };
}

/**
 * Folds batch normalisations and added constants into a linear layer before them, or behind them, that nobody else reads.
 * A batch normalisation with no such neighbour becomes a diagonal linear layer; a constant stays a step of its own.
 */
export function foldDiagonals(network: Network): void {
  for (let at = 0; at < network.layers.length;) {
    const layer = network.layers[at];
    const folded = layer.op === "affine" || layer.op === "add-constant" ? foldOne(network, layer, at) : false;
    if (!folded) at++;
  }
  network.layers = network.layers.map((layer): Layer => {
    if (layer.op !== "affine") return layer;
    const channels = layer.scale.length;
    const shape = diagonalShape(channels, network.sizes[layer.input] / channels);
    return {
      op: "linear",
      name: layer.name,
      input: layer.input,
      output: layer.output,
      shape,
      weights: layer.scale,
      bias: layer.shift,
    };
  });
}

/** Replaces the layer at `at` and its neighbour by one; false where neither neighbour can take it. */
function foldOne(network: Network, layer: AffineLayer | AddConstantLayer, at: number): boolean {
  const { layers } = network;
  const reads = readCounts(network);
  const before = layers.findIndex((other) => other.output === layer.input);
  const producer = layers[before];
  if (producer?.op === "linear" && reads[layer.input] === 1) {
    const joined = foldBehind(producer, asDiagonal(layer), layer.output);
    if (joined) {
      layers.splice(at, 1);
      layers[before] = joined;
      return true;
    }
  }
  const behind = layers.findIndex((other) => layerInputs(other).includes(layer.output));
  const reader = layers[behind];
  if (reader?.op === "linear" && reads[layer.output] === 1) {
    const joined = foldBefore(asDiagonal(layer), reader, layer.input);
    if (joined) {
      layers[behind] = joined;
      layers.splice(at, 1);
      return true;
    }
  }
  return false;
}
