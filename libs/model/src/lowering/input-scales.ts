import { boundsOf, LIMITS, type InputSchema } from "@parley/plan";
import { layerInputs, type Network } from "../network/network.js";
import { ACTIVATION_SCALE } from "./lower.js";

export interface InputScales {
  /** Fractional bits of the input tensor. */
  readonly inputScale: number;
  /** See Plan.input.featureScales. */
  readonly featureScales: readonly number[] | undefined;
}

/** Largest input scale, and the bits that the smallest feature should have. */
const INPUT_SCALE = { most: 22, featureBits: 18 };
/** Features whose extents differ by more than this get scales of their own. */
const MOST_SPREAD = 4;

/**
 * The input is at the activations' scale, or finer where a feature's range is small: then 16 fractional bits would be a
 * coarse grid for it. Where features differ in magnitude, each is brought to [-1, 1] by a power of two, and the readers'
 * columns by its inverse: one scale for all would leave the weights of large features few bits. Only where all readers are
 * dense, because a convolution has one weight for many positions.
 */
export function chooseInputScales(network: Network, schema: InputSchema): InputScales {
  const [features] = network.sizes;
  const logs = Array.from({ length: features }, (_, i) => {
    const extent = Math.max(...boundsOf(schema, i).map(Math.abs));
    return extent > 0 ? Math.ceil(Math.log2(extent)) : undefined;
  });
  const known = logs.filter((log) => log !== undefined);
  const smallest = known.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const largest = known.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const readers = network.layers.filter((layer) => layerInputs(layer).includes(0));
  const dense = readers.every((layer) => layer.op === "linear" && layer.shape.kind === "dense") && network.output !== 0;
  const within = Math.max(Math.abs(smallest), Math.abs(largest)) <= LIMITS.featureScale;
  if (dense && within && largest - smallest > Math.log2(MOST_SPREAD))
    return { inputScale: INPUT_SCALE.featureBits, featureScales: logs.map((log) => 0 - (log ?? 0)) };
  const scale = INPUT_SCALE.featureBits - smallest;
  return { inputScale: Math.min(INPUT_SCALE.most, Math.max(ACTIVATION_SCALE, scale)), featureScales: undefined };
}
