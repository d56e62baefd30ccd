import { isFirstReader, maskedBits, sizeOf } from "@parley/plan";
import type { LinearStep, StepWeights } from "@parley/plan";
import { multiplyAdd, operandBytes, packOperand, scratchBytes } from "@parley/ring";
import type { PackedOperand } from "@parley/ring";

import type { Region } from "./arena.js";
import type { MaskedProducts } from "./masked-products.js";
import { otherWork } from "./other-work.js";
import type { Context, Instruction, StepProgram } from "./program.js";
import { packedWidth } from "./table-gate.js";

/** Per tensor that linear steps read: v, then e, at P1; z0 + e at P0. */
export type MaskedTensors = Map<number, Region>;

function maskedTensor(context: Context, masked: MaskedTensors, step: LinearStep): Region {
  const words = context.records * sizeOf(context.plan.tensors[step.input]);
  const region = masked.get(step.input) ?? context.arena.reserve(8 * Math.ceil(words / 8) * 8);
  masked.set(step.input, region);
  return region;
}

/**
 * Linear layer with the server's fixed operand, protocol section 4, at P0.
 *
 * Offline: P0 holds c0, here with the bias added.
 * 1. e (first reader of a tensor only): P1 sends e = z1 - v. Reveals nothing: v is uniform and used once.
 * 2. y0 = W*(z0 + e) + c0 + bias. Then y0 + y1 = W*z + bias.
 */
export function serverLinearStep(
  context: Context,
  masked: MaskedTensors,
  step: LinearStep,
  index: number,
  weights: StepWeights,
): StepProgram {
  const { plan, arena, records, tensors } = context;
  const inputs = records * sizeOf(plan.tensors[step.input]);
  const outputs = records * sizeOf(plan.tensors[step.output]);
  const sum = maskedTensor(context, masked, step);
  let operand: PackedOperand;
  const { shape, weightBits, width } = step;
  const packed = arena.fix(operandBytes(shape, weightBits, width), (ring, at) => {
    operand = packOperand(ring, shape, { bits: weightBits, width }, weights.weights, at);
  });
  const bias = arena.fix(8 * weights.bias.length, (ring, at) => ring.i64(at, weights.bias.length).set(weights.bias));
  const scratch = arena.reserve(scratchBytes(step.shape, records, step.weightBits, step.width));
  const y = tensors[step.output];
  const bits = packedWidth(maskedBits(plan, step.input));
  const instructions: Instruction[] = [];
  if (isFirstReader(plan, index))
    instructions.push({
      kind: "open",
      step: index,
      opening: context.nextOpening(index, "e"),
      complete(_own, peer) {
        const kernels = arena.ring.exports;
        kernels.unpackWords(sum.at, peer, inputs, bits);
        // P0's share of the input tensor is 0.
        if (step.input !== plan.input.tensor) kernels.addWords(sum.at, sum.at, tensors[step.input].at, inputs);
      },
    });
  instructions.push({
    kind: "compute",
    step: index,
    offline: false,
    reads: [packed, y],
    run: () => multiplyAdd(arena.ring, operand, sum.at, y.at, records, scratch.at),
  });
  return {
    instructions,
    async expand(part) {
      const { ring } = arena;
      part.own(index, ring.u8(y.at, 8 * outputs));
      if (step.bias) addBias(context, step, y.at, bias.at);
    },
  };
}

function addBias({ plan, arena, records }: Context, step: LinearStep, y: number, bias: number): void {
  const size = sizeOf(plan.tensors[step.output]);
  const { shape } = step;
  if (shape.kind === "dense") arena.ring.exports.addPeriodic(y, bias, size, records * size);
  else
    for (let n = 0; n < records; n++)
      arena.ring.exports.addPerChannel(y + 8 * n * size, bias, shape.outChannels, size / shape.outChannels);
}

/**
 * The same at P1. Offline: draws v, gets c1 = U*v - c0, and computes its share y1 = D*v + c1 before the input is known.
 * Online it only sends e.
 * @param products with D
 */
export function clientLinearStep(
  context: Context,
  masks: MaskedTensors,
  step: LinearStep,
  index: number,
  products: MaskedProducts,
): StepProgram {
  const { plan, arena, records, tensors } = context;
  const inputs = records * sizeOf(plan.tensors[step.input]);
  const outputs = records * sizeOf(plan.tensors[step.output]);
  const v = maskedTensor(context, masks, step);
  const bits = packedWidth(maskedBits(plan, step.input));
  const first = isFirstReader(plan, index);
  const e: Instruction[] = !first
    ? []
    : [
        {
          kind: "open",
          step: index,
          opening: context.nextOpening(index, "e"),
          share(out) {
            const kernels = arena.ring.exports;
            kernels.subWords(v.at, tensors[step.input].at, v.at, inputs);
            kernels.packWords(out, v.at, inputs, bits);
          },
        },
      ];
  return {
    instructions: e,
    async expand(part, alive) {
      const { ring } = arena;
      if (first) part.own(index, ring.u8(v.at, 8 * inputs));
      const y = tensors[step.output];
      await part.corrections(ring.u8(y.at, 8 * outputs));
      alive();
      const group = products.recordsPerTurn(index);
      const [size, outSize] = [inputs / records, outputs / records];
      for (let done = 0; done < records; done += group) {
        if (done > 0) {
          await otherWork();
          alive(); // else the memory may be another run's
        }
        const n = Math.min(group, records - done);
        products.multiplyAdd(index, ring, v.at + 8 * done * size, y.at + 8 * done * outSize, n);
      }
    },
  };
}
