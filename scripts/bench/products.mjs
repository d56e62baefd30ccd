// The integer products of a network in the clear, on one core, by the kernels that the model owner's worker uses.
import { randomFillSync } from "node:crypto";
import { cutRuns, sizeOf } from "../../libs/plan/dist/index.js";
import * as ring from "../../libs/ring/dist/index.js";

/** Returns a function that computes the products of all linear layers of a batch once and gives milliseconds. */
export function productsTimer({ plan, weights }, batch) {
  const runs = cutRuns(batch, plan.maxRecords);
  const layers = weights.flatMap((layer) => {
    const step = plan.steps[layer.step];
    return step.op === "linear" ? [prepareLayer(plan, step, layer.weights, runs[0])] : [];
  });
  return () => {
    const started = performance.now();
    for (const records of runs) for (const multiply of layers) multiply(records);
    return performance.now() - started;
  };
}

function prepareLayer(plan, step, weights, records) {
  const { shape } = step;
  const form = { bits: step.weightBits, width: step.width };
  const words = (tensor) => 8 * records * sizeOf(plan.tensors[tensor]);
  const sizes = [
    ring.operandBytes(shape, form.bits, form.width),
    ring.scratchBytes(shape, records, form.bits, form.width),
    words(step.input),
    words(step.output),
  ];
  const memory = ring.createRing(sizes.reduce((sum, bytes) => sum + ring.allocationBytes(bytes), 0));
  const [operandAt, scratch, x, y] = sizes.map((bytes) => memory.alloc(bytes));
  const operand = ring.packOperand(memory, shape, form, weights, operandAt);
  randomFillSync(memory.u8(x, words(step.input)));
  return (n) => ring.multiplyAdd(memory, operand, x, y, n, scratch);
}
