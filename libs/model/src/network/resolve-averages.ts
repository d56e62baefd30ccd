import { regroup } from "./fold-diagonals.js";
import {
  diagonalShape,
  type AveragePoolLayer,
  type Layer,
  type LinearLayer,
  type Network,
  type ValueId,
} from "./network.js";

/** The real value is the layer's value times this, per equal group of elements. Always positive, so ReLU and maximum keep it. */
type Factor = Float64Array;
const ONE: Factor = Float64Array.of(1);

const isUniform = (factor: Factor): boolean => factor.every((value) => value === factor[0]);
const isOne = (factor: Factor): boolean => isUniform(factor) && factor[0] === 1;

/**
 * Turns average pools into sums. The divisors travel on with the values, through ReLU, pooling and constants, into the next
 * linear layer's weights or to the client (Network.factor). So does `inputFactor`, by which the input counts. Where that cannot be, a diagonal linear layer applies them.
 */
export function resolveAverages(network: Network, inputFactor: Float64Array = ONE): void {
  const factors = new Map<ValueId, Factor>([[0, inputFactor]]);
  const factorOf = (id: ValueId): Factor => factors.get(id) ?? ONE;
  const result: Layer[] = [];
  const applied = new Map<ValueId, ValueId>();

  /** A value equal to `id` times its factor. */
  const apply = (id: ValueId, name: string): ValueId => {
    const factor = factorOf(id);
    if (isOne(factor)) return id;
    const known = applied.get(id);
    if (known !== undefined) return known;
    const output = network.sizes.push(network.sizes[id]) - 1;
    const weights = isUniform(factor) ? ONE.map(() => factor[0]) : factor;
    const shape = diagonalShape(weights.length, network.sizes[id] / weights.length);
    result.push({ op: "linear", name: `${name} (average)`, input: id, output, shape, weights });
    applied.set(id, output);
    return output;
  };

  for (const layer of network.layers) {
    switch (layer.op) {
      case "averagepool": {
        const input = isUniform(factorOf(layer.input)) ? layer.input : apply(layer.input, layer.name);
        result.push({
          op: "sumpool",
          name: layer.name,
          input,
          output: layer.output,
          channels: layer.channels,
          window: layer.window,
        });
        factors.set(layer.output, poolFactor(layer, factorOf(input)[0]));
        break;
      }
      case "maxpool":
      case "sumpool": {
        const input = isUniform(factorOf(layer.input)) ? layer.input : apply(layer.input, layer.name);
        factors.set(layer.output, factorOf(input));
        result.push({ ...layer, input });
        break;
      }
      case "relu":
        factors.set(layer.output, factorOf(layer.input));
        result.push(layer);
        break;
      case "add-constant": {
        const factor = factorOf(layer.input);
        const each = layer.constant.length / factor.length;
        factors.set(layer.output, factor);
        result.push({ ...layer, constant: layer.constant.map((value, i) => value / factor[Math.floor(i / each)]) });
        break;
      }
      case "add": {
        const [a, b] = layer.inputs.map(factorOf);
        const same = isUniform(a) && isUniform(b) && a[0] === b[0];
        if (same) factors.set(layer.output, a);
        result.push(
          same ? layer : { ...layer, inputs: [apply(layer.inputs[0], layer.name), apply(layer.inputs[1], layer.name)] },
        );
        break;
      }
      case "linear":
        result.push(scaleColumns(layer, factorOf(layer.input)) ?? { ...layer, input: apply(layer.input, layer.name) });
        break;
      case "affine":
        throw new TypeError("affine layers are folded before averages are resolved");
    }
  }
  const last = factorOf(network.output);
  if (isUniform(last)) network.factor *= last[0];
  else network.output = apply(network.output, "output");
  network.layers = result;
}

function poolFactor(layer: AveragePoolLayer, before: number): Factor {
  const perPosition = layer.divisors.map((divisor) => before / divisor);
  if (isUniform(perPosition)) return perPosition.slice(0, 1);
  const { outHeight, outWidth } = layer.window;
  const spatial = outHeight * outWidth;
  return Float64Array.from({ length: layer.channels * spatial }, (_, i) => perPosition[i % spatial]);
}

/** The layer with its input's factor in its weights, or undefined where a convolution would need one weight per position. */
function scaleColumns(layer: LinearLayer, factor: Factor): LinearLayer | undefined {
  if (isUniform(factor))
    return factor[0] === 1 ? layer : { ...layer, weights: layer.weights.map((weight) => weight * factor[0]) };
  if (layer.shape.kind !== "dense") return undefined;
  const { inFeatures } = layer.shape;
  const columns = regroup(factor, inFeatures);
  return columns && { ...layer, weights: layer.weights.map((weight, i) => weight * columns[i % inFeatures]) };
}
