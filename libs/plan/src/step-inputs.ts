import type { Step, TensorId } from "./plan.js";

/** The tensors that a step reads. */
export function inputsOf(step: Step): readonly TensorId[] {
  return step.op === "add" ? step.inputs : [step.input];
}
