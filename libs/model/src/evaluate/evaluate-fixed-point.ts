import { checkWeights, PlanError, sizeOf, type Plan, type Step, type StepWeights, type Weights } from "@parley/plan";
import { LinearKernel } from "./linear-kernel.js";
import { addInto, pool, shiftLeft, shiftRight, type Words } from "./words.js";

/** Words of all tensors of the records that are evaluated together. */
const MOST_WORDS = 1 << 23;

/**
 * The plan evaluated in the clear, on the same integers as the protocol: its one right answer (protocol, section 2). All
 * sums wrap at 64 bits; nothing is approximate.
 * @param input `records` rows of scaled integers, as {@link encodeInput} makes them
 * @returns the output's integers, record by record, sign-extended from the output's width
 * @throws PlanError WRONG_SHAPE, WEIGHTS_DO_NOT_FIT
 */
export function evaluateFixedPoint(plan: Plan, weights: Weights, input: BigInt64Array, records: number): BigInt64Array {
  checkWeights(plan, weights);
  const features = sizeOf(plan.tensors[0]);
  if (!Number.isSafeInteger(records) || records < 1 || input.length !== records * features)
    throw new PlanError(
      "WRONG_SHAPE",
      `${input.length} integers are not ${records} record(s) of ${features}`,
      "Evaluate whole records.",
    );
  const words = plan.tensors.reduce((sum, tensor) => sum + sizeOf(tensor), 0);
  const together = Math.max(1, Math.min(records, Math.floor(MOST_WORDS / words)));
  const operands = new Map(weights.map((entry) => [entry.step, entry]));
  const kernels = new Map<number, LinearKernel>();
  plan.steps.forEach((step, i) => {
    if (step.op !== "linear") return;
    const [inputs, outputs] = [sizeOf(plan.tensors[step.input]), sizeOf(plan.tensors[step.output])];
    kernels.set(i, new LinearKernel(step, operandOf(operands, i), inputs, outputs, together));
  });
  const size = sizeOf(plan.tensors[plan.output.tensor]);
  const result = new BigInt64Array(records * size);
  for (let first = 0; first < records; first += together) {
    const n = Math.min(together, records - first);
    const tensors: Words[] = [new Int32Array(input.buffer, input.byteOffset + 8 * first * features, 2 * n * features)];
    plan.steps.forEach((step, i) => {
      const kernel = kernels.get(i);
      tensors[step.output] =
        kernel && step.op === "linear"
          ? kernel.run(tensors[step.input], n)
          : local(step, tensors, () => operandOf(operands, i));
    });
    const output = tensors[plan.output.tensor];
    new Int32Array(result.buffer, 8 * first * size, output.length).set(output);
  }
  for (const kernel of kernels.values()) kernel.destroy();
  return result.map((value) => BigInt.asIntN(plan.output.width, value));
}

function operandOf(operands: ReadonlyMap<number, StepWeights>, step: number): StepWeights {
  const found = operands.get(step);
  if (found === undefined) throw new TypeError(`step ${step} has no weights`);
  return found;
}

/** Every step but the linear one. */
function local(step: Step, tensors: readonly Words[], operand: () => StepWeights): Words {
  switch (step.op) {
    case "relu":
      return shiftRight(tensors[step.input], step.shift, true);
    case "truncate":
      return shiftRight(tensors[step.input], step.shift, false);
    case "maxpool":
    case "sumpool":
      return pool(tensors[step.input], step.window, step.op === "maxpool");
    case "add": {
      const sum = shiftLeft(tensors[step.inputs[0]], step.shifts[0]);
      addInto(sum, shiftLeft(tensors[step.inputs[1]], step.shifts[1]));
      return sum;
    }
    case "add-constant": {
      const sum = tensors[step.input].slice();
      const { bias } = operand();
      addInto(sum, new Int32Array(bias.buffer, bias.byteOffset, 2 * bias.length));
      return sum;
    }
    case "linear":
      throw new TypeError("a linear step runs on its kernel");
  }
}
