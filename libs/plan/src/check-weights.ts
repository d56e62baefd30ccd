import { weightCount } from "./correlation.js";
import { PlanError } from "./error.js";
import { SHORT_WEIGHT, sizeOf, type Plan } from "./plan.js";
import type { Weights } from "./weights.js";

/**
 * Checks that weights belong to a plan: one entry for each linear and add-constant step, in order, with the lengths that
 * the step's shape gives.
 * @throws PlanError WEIGHTS_DO_NOT_FIT that names the step
 */
export function checkWeights(plan: Plan, weights: Weights): void {
  const refuse = (problem: string): never => {
    throw new PlanError(
      "WEIGHTS_DO_NOT_FIT",
      `the weights do not fit the plan: ${problem}`,
      "Use the weights that were made with this plan.",
    );
  };
  const rest = [...weights];
  plan.steps.forEach((step, i) => {
    if (step.op !== "linear" && step.op !== "add-constant") return;
    const entry = rest.shift();
    if (entry?.step !== i) return refuse(`step ${i} ("${step.name}") has none`);
    const output = sizeOf(plan.tensors[step.output]);
    const rows =
      step.op === "add-constant"
        ? output
        : step.shape.kind === "dense"
          ? step.shape.outFeatures
          : step.shape.outChannels;
    const bias = step.op === "add-constant" || step.bias ? rows : 0;
    if (entry.weights.length !== weightCount(plan, i) || entry.bias.length !== bias)
      refuse(`step ${i} ("${step.name}") has another shape`);
    if (step.op === "linear" && step.weightBits === 15 && entry.weights.some((w) => Math.abs(w) > SHORT_WEIGHT))
      refuse(`step ${i} ("${step.name}") promises weights of at most ${SHORT_WEIGHT}`);
  });
  if (rest.length > 0) refuse(`they have ${rest.length} entries too many`);
}
