import { BLOCK, blocksOf, gateCounts, isGateStep, knownOffline, maskedBits, sizeOf, weightCount } from "@parley/plan";
import type { Plan, Schedule, Step, StepWeights, Weights } from "@parley/plan";

import type { Arena } from "./arena.js";
import { SessionError } from "./error.js";
import { gateStep, maxPoolStep } from "./gate-step.js";
import { clientLinearStep, serverLinearStep } from "./linear-step.js";
import type { MaskedTensors } from "./linear-step.js";
import { MaskedProducts } from "./masked-products.js";
import { addConstantStep, addStep, sumPoolStep } from "./local-step.js";
import type { Context, StepProgram } from "./program.js";

/** What a party brings to a session: P0 its weights, P1 the masked weights D. */
export type Operands =
  { readonly party: 0; readonly weights: Weights } | { readonly party: 1; readonly masked: Uint8Array };

/** Words that every share of a gate's output or of a linear step's may take: whole blocks. */
const tensorBytes = (words: number): number => 8 * BLOCK * Math.max(1, blocksOf(words));

/** @throws SessionError INVALID for a plan whose steps do not fit each other, naming the step */
export function buildContext(plan: Plan, records: number, schedule: Schedule, party: 0 | 1, arena: Arena): Context {
  const counts = plan.steps.filter(isGateStep).flatMap((step) => gateCounts(plan, step, records));
  const outputs = records * sizeOf(plan.tensors[plan.output.tensor]);
  plan.steps.forEach((step) => checkModulus(plan, step));
  if (plan.output.width > plan.tensors[plan.output.tensor].modulus)
    throw new SessionError("INVALID", `the output reveals ${plan.output.width} bits of a tensor that has fewer`);
  let next = 0;
  return {
    plan,
    records,
    party,
    arena,
    tensors: plan.tensors.map((tensor) => arena.reserve(tensorBytes(records * sizeOf(tensor)))),
    words: arena.reserve(tensorBytes(Math.max(outputs, ...counts))),
    known: knownOffline(plan),
    nextOpening(step, what) {
      const opening = schedule.openings[next];
      if (opening?.step !== step || opening.what !== what)
        throw new SessionError("INVALID", `the schedule has no opening "${what}" of step ${step} at this point`);
      return next++;
    },
  };
}

/** A tensor must be shared modulo at least what its readers count, and no step can make more bits than it gets. */
function checkModulus(plan: Plan, step: Step): void {
  const to = plan.tensors[step.output].modulus;
  const need = (tensor: number, bits: number): void => {
    if (plan.tensors[tensor].modulus < bits)
      throw new SessionError("INVALID", `step "${step.name}" reads ${bits} bits of a tensor that has fewer`);
  };
  switch (step.op) {
    case "linear":
      need(step.input, maskedBits(plan, step.input));
      if (to > step.width) throw new SessionError("INVALID", `step "${step.name}" makes ${step.width} bits, not ${to}`);
      return;
    case "relu":
    case "truncate":
      return need(step.input, step.width);
    case "maxpool":
      return need(step.input, Math.max(step.width, to));
    case "add":
      return step.inputs.forEach((tensor, i) => need(tensor, to - step.shifts[i]));
    case "sumpool":
    case "add-constant":
      return need(step.input, to);
  }
}

/** The programs of all steps of one party. @throws SessionError INVALID where weights or D do not fit the plan */
export function buildProgram(context: Context, operands: Operands): StepProgram[] {
  const { plan } = context;
  const masks: MaskedTensors = new Map();
  const weightsOf = (index: number): StepWeights | undefined =>
    operands.party === 0 ? stepWeights(plan, operands.weights, index) : undefined;
  return plan.steps.map((step, index): StepProgram => {
    switch (step.op) {
      case "linear": {
        return operands.party === 0
          ? serverLinearStep(context, masks, step, index, stepWeights(plan, operands.weights, index))
          : clientLinearStep(context, masks, step, index, MaskedProducts.of(plan, operands.masked));
      }
      case "relu":
      case "truncate":
        return gateStep(context, step, index);
      case "maxpool":
        return maxPoolStep(context, step, index);
      case "sumpool":
        return sumPoolStep(context, step, index);
      case "add":
        return addStep(context, step, index);
      case "add-constant":
        return addConstantStep(context, step, index, weightsOf(index));
    }
  });
}

function stepWeights(plan: Plan, weights: Weights, index: number): StepWeights {
  const step = plan.steps[index];
  const found = weights.find((w) => w.step === index);
  if (!found) throw new SessionError("INVALID", `the model has no weights for step "${step.name}"`);
  const output = "output" in step ? sizeOf(plan.tensors[step.output]) : 0;
  const perChannel =
    step.op === "linear" ? (step.shape.kind === "dense" ? step.shape.outFeatures : step.shape.outChannels) : output;
  const bias = step.op === "linear" && !step.bias ? 0 : perChannel;
  if (found.weights.length !== weightCount(plan, index) || found.bias.length !== bias)
    throw new SessionError("INVALID", `the weights of step "${step.name}" do not have the plan's shape`);
  return found;
}
