import { isFirstReader, maskedBits, sizeOf, weightCount } from "@parley/plan";
import type { LinearStep, StepWeights } from "@parley/plan";
import { multiplyAdd, operandBytes, packOperand, scratchBytes } from "@parley/ring";
import type { PackedOperand } from "@parley/ring";

import type { Region } from "./arena.js";
import { otherWork } from "./other-work.js";
import type { Context, Instruction, StepProgram } from "./program.js";
import { packedWidth } from "./table-gate.js";

/** Products after which a preparation lets other sessions of the process go on: about a millisecond. */
const PRODUCTS_PER_TURN = 4_000_000;

/** Records of a linear step whose products are computed in one turn of the event loop. */
function recordsPerTurn({ plan, records }: Context, step: LinearStep, index: number): number {
  const positions = step.shape.kind === "conv" ? step.shape.outHeight * step.shape.outWidth : 1;
  const products = weightCount(plan, index) * positions;
  return Math.max(1, Math.min(records, Math.floor(PRODUCTS_PER_TURN / products)));
}

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
  const operandAt = arena.reserve(operandBytes(step.shape, 32));
  const scratch = arena.reserve(scratchBytes(step.shape, records));
  const bias = arena.reserve(8 * weights.bias.length);
  const y = tensors[step.output];
  let operand: PackedOperand;
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
    run: () => multiplyAdd(arena.ring, operand, sum.at, y.at, records, scratch.at),
  });
  return {
    instructions,
    async expand(part) {
      const { ring } = arena;
      operand = packOperand(ring, step.shape, weights.weights, operandAt.at);
      part.own(index, ring.u8(y.at, 8 * outputs));
      if (!step.bias) return;
      ring.i64(bias.at, weights.bias.length).set(weights.bias);
      addBias(context, step, y.at, bias.at);
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
 * @param masked D of this step, 8 bytes a weight
 */
export function clientLinearStep(
  context: Context,
  masks: MaskedTensors,
  step: LinearStep,
  index: number,
  masked: Uint8Array,
): StepProgram {
  const { plan, arena, records, tensors } = context;
  const inputs = records * sizeOf(plan.tensors[step.input]);
  const outputs = records * sizeOf(plan.tensors[step.output]);
  const v = maskedTensor(context, masks, step);
  const operandAt = arena.reserve(operandBytes(step.shape, 64));
  const scratch = arena.reserve(scratchBytes(step.shape, records));
  arena.reserveExtra(8 * sizeOf(plan.tensors[step.input]) + 64); // packing an operand stages a row of words
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
    async expand(part) {
      const { ring } = arena;
      const operand = packOperand(ring, step.shape, masked, operandAt.at);
      if (first) part.own(index, ring.u8(v.at, 8 * inputs));
      const y = tensors[step.output];
      await part.corrections(ring.u8(y.at, 8 * outputs));
      const group = recordsPerTurn(context, step, index);
      const [size, outSize] = [inputs / records, outputs / records];
      for (let done = 0; done < records; done += group) {
        if (done > 0) await otherWork();
        const n = Math.min(group, records - done);
        // The session may have ended meanwhile: ask for its memory again.
        multiplyAdd(arena.ring, operand, v.at + 8 * done * size, y.at + 8 * done * outSize, n, scratch.at);
      }
    },
  };
}
