import { LIMITS, PlanError, SHORT_WEIGHT, quantise, type WeightBits } from "@parley/plan";
import type { LinearLayer } from "../network/network.js";
import { linearRanges, reach, type Ranges } from "./ranges.js";

export interface QuantisedLayer {
  readonly weightScale: number;
  readonly weightBits: WeightBits;
  readonly weights: Int32Array;
  readonly bias: BigInt64Array;
  readonly ranges: Ranges;
}

export interface QuantiseSettings {
  readonly inputScale: number;
  readonly input: Ranges;
  /** How many times larger than the layer's own output a value before the next gate may be. */
  readonly headroom: bigint;
  /** Scale after the next gate, where adding half a unit before the cut turns its floor into rounding. */
  readonly roundTo: number | undefined;
  /** Bits by which all weights are coarser than preferred. */
  readonly coarser: number;
}

/** The largest weight where nothing limits it: 21 bits; more than the 24 of a float are noise. */
const LONG_WEIGHT = 2 ** 21 - 1;
/**
 * A layer of so many products in a record has weights of 15 bits: its kernel is twice as fast, and among so many products
 * the rounding errors of single weights cancel. Decided by the public shape alone.
 */
const SHORT_FROM_PRODUCTS = 2 ** 20;
/** Widths that are preferred, in order, with the bits of precision that one may give up to stay within it. */
const PREFERENCE = [
  { width: 48, lost: 4 },
  { width: 56, lost: 8 },
  { width: 62, lost: 16 },
] as const;

const even = (value: number): number => 2 * Math.floor(value / 2);
const bitLength = (value: bigint): number => (value === 0n ? 0 : value.toString(2).length);

/**
 * Weights and bias as integers. The weight scale is the finest even one at which the largest weight has at most 21 bits (15 in large layers) and
 * the proven range, with headroom, stays within 48 bits; where that costs more than 4 bits of precision, 56, then 62.
 * Weights round to the nearest, halves away from zero; the bias likewise at the output's scale.
 */
export function quantiseLayer(layer: LinearLayer, settings: QuantiseSettings): QuantisedLayer {
  const largest = layer.weights.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  if (!Number.isFinite(largest) || largest >= 2 ** 30)
    throw new PlanError(
      "NOT_A_NUMBER",
      `layer "${layer.name}" has weights that are infinite or beyond 2^30`,
      "Train or export the model again.",
    );
  const most = weightBits(layer.shape) === 15 ? SHORT_WEIGHT : LONG_WEIGHT;
  const wanted = largest === 0 ? 0 : Math.floor(Math.log2(most / largest));
  const finest = even(
    Math.min(LIMITS.weightScale, LIMITS.scale - settings.inputScale, Math.max(0, wanted - settings.coarser)),
  );
  const first = quantiseAt(layer, settings, finest);
  const needed = bitLength(reach(first.ranges) * settings.headroom) + 1;
  for (const { width, lost } of PREFERENCE) {
    const reduced = Math.max(0, needed - width);
    const scale = even(finest - reduced);
    if (reduced === 0) return first;
    if (reduced <= lost && scale >= 0) return quantiseAt(layer, settings, scale);
  }
  return first; // the proof of the gate behind it fails, and names the layer
}

function weightBits(shape: LinearLayer["shape"]): WeightBits {
  const products =
    shape.kind === "dense"
      ? shape.inFeatures * shape.outFeatures
      : shape.outHeight *
        shape.outWidth *
        shape.outChannels *
        (shape.inChannels / shape.groups) *
        shape.kernelHeight *
        shape.kernelWidth;
  return products >= SHORT_FROM_PRODUCTS ? 15 : 32;
}

function quantiseAt(layer: LinearLayer, settings: QuantiseSettings, weightScale: number): QuantisedLayer {
  const weights = Int32Array.from(layer.weights, (weight) => quantise(weight, weightScale));
  const scale = settings.inputScale + weightScale;
  const cut = settings.roundTo === undefined ? 0 : scale - settings.roundTo;
  const bias = integerBias(layer, scale, cut > 0 ? 1n << BigInt(cut - 1) : 0n);
  return {
    weightScale,
    weightBits: weightBits(layer.shape),
    weights,
    bias,
    ranges: linearRanges(layer.shape, weights, bias, settings.input),
  };
}

function integerBias(layer: LinearLayer, scale: number, half: bigint): BigInt64Array {
  if (!layer.bias && half === 0n) return new BigInt64Array(0);
  const rows = layer.shape.kind === "dense" ? layer.shape.outFeatures : layer.shape.outChannels;
  return BigInt64Array.from({ length: rows }, (_, row) => toInteger(layer.bias?.[row] ?? 0, scale, layer.name) + half);
}

/** A constant of the model at a scale. @throws PlanError where it does not fit the ring with room to spare */
export function toInteger(value: number, scale: number, name: string): bigint {
  const integer = quantise(value, scale);
  if (!(Math.abs(integer) < 2 ** 60))
    throw new PlanError(
      "RANGE_NOT_PROVEN",
      `layer "${name}" has a constant that passes 2^60 at scale ${scale}`,
      "Train the model with smaller constants.",
    );
  return BigInt(integer);
}
