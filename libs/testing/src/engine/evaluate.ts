import { isGateStep, sizeOf, windowElements } from "@parley/plan";
import type { ConvShape, LinearStep, Plan, StepWeights, Weights } from "@parley/plan";

/**
 * What a plan means, element by element in BigInt: the one right answer of a run. Slow, and independent of the kernels
 * and of the evaluator in @parley/model.
 * @throws RangeError where a value leaves a gate's range, which is a mistake in the plan
 */
export function evaluate(plan: Plan, weights: Weights, input: BigInt64Array, records: number): BigInt64Array {
  const size = sizeOf(plan.tensors[0]);
  const out: bigint[] = [];
  for (let n = 0; n < records; n++) out.push(...record(plan, weights, [...input.subarray(n * size, (n + 1) * size)]));
  return BigInt64Array.from(out);
}

function record(plan: Plan, weights: Weights, input: bigint[]): bigint[] {
  const tensors = new Map<number, bigint[]>([[0, input]]);
  const at = (tensor: number): bigint[] => tensors.get(tensor) ?? [];
  const operands = (index: number): StepWeights =>
    weights.find((w) => w.step === index) ?? { step: index, weights: new Int32Array(), bias: new BigInt64Array() };
  plan.steps.forEach((step, index) => {
    let z: bigint[];
    switch (step.op) {
      case "linear":
        z = linear(step, operands(index), at(step.input));
        break;
      case "relu":
      case "truncate":
        z = at(step.input).map((y) => {
          const top = 1n << BigInt(step.width - (step.op === "relu" ? 1 : 2));
          const edge = step.op === "relu" && step.shift > 0 ? 1n << BigInt(step.shift) : 0n;
          const last = step.op === "relu" ? top - edge - 1n : top;
          if (y < -top + edge || y > last) throw new RangeError(`step "${step.name}" leaves its range`);
          return step.op === "relu" && y < 0n ? 0n : y >> BigInt(step.shift);
        });
        break;
      case "maxpool":
        z = windowElements(step.window, step.channels).map((window) =>
          window.map((i) => at(step.input)[i]).reduce((a, b) => (a > b ? a : b)),
        );
        break;
      case "sumpool":
        z = windowElements(step.window, step.channels).map((window) =>
          window.reduce((sum, i) => sum + at(step.input)[i], 0n),
        );
        break;
      case "add": {
        const [a, b] = step.inputs.map(at);
        z = a.map((value, i) => (value << BigInt(step.shifts[0])) + (b[i] << BigInt(step.shifts[1])));
        break;
      }
      case "add-constant":
        z = at(step.input).map((x, i) => x + operands(index).bias[i]);
    }
    tensors.set(step.output, isGateStep(step) || step.op !== "linear" ? z : z.map((v) => BigInt.asIntN(64, v)));
  });
  return at(plan.output.tensor).map((v) => BigInt.asIntN(plan.output.width, v));
}

function linear(step: LinearStep, { weights, bias }: StepWeights, x: bigint[]): bigint[] {
  const { shape } = step;
  if (shape.kind === "conv") return convolution(shape, weights, bias, x);
  return Array.from({ length: shape.outFeatures }, (_, m) =>
    x.reduce((sum, value, k) => sum + BigInt(weights[m * shape.inFeatures + k]) * value, bias[m] ?? 0n),
  );
}

function convolution(s: ConvShape, weights: Int32Array, bias: BigInt64Array, x: bigint[]): bigint[] {
  const out: bigint[] = [];
  const channels = s.inChannels / s.groups;
  const perGroup = s.outChannels / s.groups;
  for (let o = 0; o < s.outChannels; o++)
    for (let y = 0; y < s.outHeight; y++)
      for (let column = 0; column < s.outWidth; column++) {
        let sum = bias[o] ?? 0n;
        for (let c = 0; c < channels; c++)
          for (let ky = 0; ky < s.kernelHeight; ky++)
            for (let kx = 0; kx < s.kernelWidth; kx++) {
              const iy = y * s.strideHeight - s.padTop + ky * s.dilationHeight;
              const ix = column * s.strideWidth - s.padLeft + kx * s.dilationWidth;
              if (iy < 0 || iy >= s.inHeight || ix < 0 || ix >= s.inWidth) continue;
              const w = weights[((o * channels + c) * s.kernelHeight + ky) * s.kernelWidth + kx];
              const channel = Math.floor(o / perGroup) * channels + c;
              sum += BigInt(w) * x[(channel * s.inHeight + iy) * s.inWidth + ix];
            }
        out.push(sum);
      }
  return out;
}
