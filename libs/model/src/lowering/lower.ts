import { PlanError, type Width } from "@parley/plan";
import { layerInputs, type Layer, type LinearLayer, type Network, type ValueId } from "../network/network.js";
import { Draft, type DraftValue } from "./draft.js";
import { headroom, roundable } from "./downstream.js";
import { quantiseLayer, toInteger } from "./quantise-layer.js";
import { addRanges, mapRanges, maxPoolRanges, sumPoolRanges, type Ranges } from "./ranges.js";
import { maxPoolWidth, reluWidth, truncateWidth } from "./widths.js";

/** Fractional bits of activations. */
export const ACTIVATION_SCALE = 16;
/** Stands in until {@link finish} knows the readers. */
const OPEN: Width = 62;

export interface LoweringSettings {
  readonly inputScale: number;
  readonly input: Ranges;
  readonly coarser: number;
}

/**
 * Layers over real numbers to steps over integers, in order, with the proven range of each.
 * @throws PlanError, RangeProofError that name the layer
 */
export function lower(network: Network, settings: LoweringSettings): { draft: Draft; output: DraftValue } {
  const draft = new Draft(network.inputShape, settings.inputScale, settings.input);
  const values = new Map<ValueId, DraftValue>([
    [0, { tensor: 0, scale: settings.inputScale, ranges: settings.input, wide: false }],
  ]);
  const truncated = new Map<ValueId, DraftValue>();
  const readers = (id: ValueId): Layer[] => network.layers.filter((layer) => layerInputs(layer).includes(id));
  const downstream = { readers, output: network.output };

  const valueOf = (id: ValueId): DraftValue => {
    const value = values.get(id);
    if (value === undefined)
      throw new PlanError(
        "MALFORMED_ONNX",
        "a layer reads a value before it is computed",
        "Export the model to ONNX again.",
      );
    return value;
  };

  /** The value at the scale that a linear layer reads. */
  const narrow = (id: ValueId, name: string): DraftValue => {
    const value = valueOf(id);
    if (!value.wide || value.scale === ACTIVATION_SCALE) return value;
    const known = truncated.get(id);
    if (known) return known;
    const shift = value.scale - ACTIVATION_SCALE;
    const width = truncateWidth(name, value.ranges, shift);
    const result = draft.push(
      (output) => ({
        op: "truncate",
        name: `${name} (truncate)`,
        gate: "table",
        input: value.tensor,
        output,
        width,
        shift,
        share: "online",
      }),
      draft.tensors[value.tensor].shape,
      { scale: ACTIVATION_SCALE, ranges: mapRanges(value.ranges, (v) => v >> BigInt(shift)), wide: false },
    );
    truncated.set(id, result);
    return result;
  };

  const linear = (layer: LinearLayer): DraftValue => {
    const from = narrow(layer.input, layer.name);
    const quantised = quantiseLayer(layer, {
      inputScale: from.scale,
      input: from.ranges,
      headroom: headroom(layer.output, downstream),
      roundTo: roundable(layer.output, downstream) ? ACTIVATION_SCALE : undefined,
      coarser: settings.coarser,
    });
    const { weights, bias, weightScale, weightBits, ranges } = quantised;
    const { shape } = layer;
    draft.weights.push({ step: draft.steps.length, weights, bias });
    return draft.push(
      (output) => ({
        op: "linear",
        name: layer.name,
        input: from.tensor,
        output,
        shape,
        weightScale,
        weightBits,
        width: OPEN,
        bias: bias.length > 0,
      }),
      shape.kind === "dense" ? [shape.outFeatures] : [shape.outChannels, shape.outHeight, shape.outWidth],
      { scale: from.scale + weightScale, ranges, wide: true },
    );
  };

  const step = (layer: Layer): DraftValue => {
    const { name } = layer;
    if (layer.op === "linear") return linear(layer);
    if (layer.op === "add") return add(draft, name, [valueOf(layer.inputs[0]), valueOf(layer.inputs[1])]);
    const from = valueOf(layer.input);
    const input = from.tensor;
    const { shape } = draft.tensors[input];
    switch (layer.op) {
      case "relu": {
        const shift = Math.max(0, from.scale - ACTIVATION_SCALE);
        const width = reluWidth(name, from.ranges, shift);
        const ranges = mapRanges(from.ranges, (v) => (v < 0n ? 0n : v >> BigInt(shift)));
        return draft.push(
          (output) => ({ op: "relu", name, gate: "table", input, output, width, shift, share: "online" }),
          shape,
          {
            scale: from.scale - shift,
            ranges,
            wide: false,
          },
        );
      }
      case "maxpool": {
        const { channels, window } = layer;
        const ranges = maxPoolRanges(from.ranges, channels);
        const width = maxPoolWidth(name, ranges);
        return draft.push(
          (output) => ({ op: "maxpool", name, gate: "table", input, output, channels, window, width, share: "online" }),
          [channels, window.outHeight, window.outWidth],
          { ...from, ranges },
        );
      }
      case "sumpool": {
        const { channels, window } = layer;
        const ranges = sumPoolRanges(from.ranges, channels, window);
        return draft.push(
          (output) => ({ op: "sumpool", name, input, output, channels, window }),
          [channels, window.outHeight, window.outWidth],
          { ...from, ranges },
        );
      }
      case "add-constant": {
        const bias = BigInt64Array.from(layer.constant, (value) => toInteger(value, from.scale, name));
        draft.weights.push({ step: draft.steps.length, weights: new Int32Array(0), bias });
        const ranges = addRanges(from.ranges, { lo: [...bias], hi: [...bias] });
        return draft.push((output) => ({ op: "add-constant", name, input, output }), shape, { ...from, ranges });
      }
      default:
        throw new TypeError(`layer ${name} (${layer.op}) is resolved before lowering`);
    }
  };

  for (const layer of network.layers) values.set(layer.output, step(layer));
  return { draft, output: valueOf(network.output) };
}

function add(draft: Draft, name: string, [a, b]: readonly [DraftValue, DraftValue]): DraftValue {
  const scale = Math.max(a.scale, b.scale);
  const shifts = [scale - a.scale, scale - b.scale] as const;
  const up = (value: DraftValue, shift: number): Ranges => mapRanges(value.ranges, (v) => v << BigInt(shift));
  return draft.push(
    (output) => ({ op: "add", name, inputs: [a.tensor, b.tensor], shifts, output }),
    draft.tensors[a.tensor].shape,
    {
      scale,
      ranges: addRanges(up(a, shifts[0]), up(b, shifts[1])),
      wide: a.wide || b.wide,
    },
  );
}
