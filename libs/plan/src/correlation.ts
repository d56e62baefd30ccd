import { gateDemand } from "./gate.js";
import { gateCounts, gateOf, isFirstReader, isGateStep } from "./openings.js";
import { sizeOf } from "./plan.js";
import type { Plan } from "./plan.js";

const WORD = 8;

/** Correlated randomness of one step, in bytes, in the order in which it is derived and sent. */
export interface StepDemand {
  /** From P0's key of this step: c0 of a linear step; per gate r and the blocks. */
  readonly own0: number;
  /** From P1's key of this step: v of a linear step that reads its tensor first; per gate r. */
  readonly own1: number;
  /** Sent to P1: c1 of a linear step; per gate the blocks. */
  readonly corrections: number;
}

const NOTHING: StepDemand = { own0: 0, own1: 0, corrections: 0 };

/** Correlation demand of each step of a plan for n records. */
export function demand(plan: Plan, records: number): StepDemand[] {
  return plan.steps.map((step, index): StepDemand => {
    if (step.op === "linear") {
      const out = WORD * records * sizeOf(plan.tensors[step.output]);
      const v = isFirstReader(plan, index) ? WORD * records * sizeOf(plan.tensors[step.input]) : 0;
      return { own0: out, own1: v, corrections: out };
    }
    if (!isGateStep(step)) return NOTHING;
    const gate = gateOf(plan, step);
    return gateCounts(plan, step, records)
      .map((count) => gateDemand(gate, count))
      .reduce(
        (a, b) => ({ own0: a.own0 + b.own0, own1: a.own1 + b.own1, corrections: a.corrections + b.corrections }),
        NOTHING,
      );
  });
}

/** Bytes of explicit corrections that the dealer sends to P1 for a batch of n records. */
export const correctionBytes = (plan: Plan, records: number): number =>
  demand(plan, records).reduce((sum, d) => sum + d.corrections, 0);

/** Weights of a linear step. */
export function weightCount(plan: Plan, index: number): number {
  const step = plan.steps[index];
  if (step.op !== "linear") return 0;
  const s = step.shape;
  return s.kind === "dense"
    ? s.inFeatures * s.outFeatures
    : s.outChannels * (s.inChannels / s.groups) * s.kernelHeight * s.kernelWidth;
}

/** Bytes of the mask U, and of D: all linear steps in order, 8 bytes a weight. */
export const maskBytes = (plan: Plan): number =>
  plan.steps.reduce((sum, _, index) => sum + WORD * weightCount(plan, index), 0);
