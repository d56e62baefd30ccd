import { sizeOf } from "@parley/plan";
import type { AddConstantStep, AddStep, StepWeights, SumPoolStep } from "@parley/plan";

import type { Context, StepProgram } from "./program.js";

/** A step without interaction and without correlations: each party maps its own shares. */
function local(context: Context, index: number, inputs: readonly number[], run: () => void): StepProgram {
  const offline = context.party === 1 && inputs.every((tensor) => context.known.has(tensor));
  return {
    expand: () => Promise.resolve(),
    instructions: [{ kind: "compute", step: index, offline, run }],
  };
}

/** [z] = [a] << shifts[0] + [b] << shifts[1]. */
export function addStep(context: Context, step: AddStep, index: number): StepProgram {
  const { plan, arena, records, tensors } = context;
  const count = records * sizeOf(plan.tensors[step.output]);
  const [a, b] = step.inputs;
  return local(context, index, step.inputs, () =>
    arena.ring.exports.addShifted(
      tensors[step.output].at,
      tensors[a].at,
      step.shifts[0],
      tensors[b].at,
      step.shifts[1],
      count,
    ),
  );
}

/** [z] = sum of [x] over each window. */
export function sumPoolStep(context: Context, step: SumPoolStep, index: number): StepProgram {
  const { plan, arena, records, tensors } = context;
  const inputs = sizeOf(plan.tensors[step.input]);
  const outputs = sizeOf(plan.tensors[step.output]);
  const w = step.window;
  return local(context, index, [step.input], () => {
    for (let n = 0; n < records; n++)
      arena.ring.exports.sumPool(
        tensors[step.output].at + 8 * n * outputs,
        tensors[step.input].at + 8 * n * inputs,
        step.channels,
        w.inHeight,
        w.inWidth,
        w.outHeight,
        w.outWidth,
        w.kernelHeight,
        w.kernelWidth,
        w.strideHeight,
        w.strideWidth,
        w.dilationHeight,
        w.dilationWidth,
        w.padTop,
        w.padLeft,
      );
  });
}

/** [z] = [x] + constant: P0 adds it to its share. @param weights P0's; absent at P1 */
export function addConstantStep(
  context: Context,
  step: AddConstantStep,
  index: number,
  weights?: StepWeights,
): StepProgram {
  const { plan, arena, records, tensors } = context;
  const size = sizeOf(plan.tensors[step.output]);
  const constant = arena.fix(8 * size, (ring, at) => {
    if (weights) ring.i64(at, size).set(weights.bias);
  });
  return local(context, index, [step.input], () => {
    const { ring } = arena;
    const out = tensors[step.output].at;
    ring.u8(out, 8 * records * size).set(ring.u8(tensors[step.input].at, 8 * records * size));
    if (weights) ring.exports.addPeriodic(out, constant.at, size, records * size);
  });
}
