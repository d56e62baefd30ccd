import { realTaps, sizeOf, type Plan, type Step, type StepWeights, type Weights, type Window } from "@parley/plan";

/**
 * The same as evaluateFixedPoint, element by element on unbounded BigInt, for one record: slow, and what the fast one is
 * tested against. Returns every tensor.
 */
export function referenceEvaluate(plan: Plan, weights: Weights, input: readonly bigint[]): bigint[][] {
  const tensors: bigint[][] = [[...input]];
  plan.steps.forEach((step, i) => {
    const operand = weights.find((entry) => entry.step === i);
    tensors[step.output] = evaluateStep(plan, step, operand, tensors);
  });
  return tensors;
}

function evaluateStep(
  plan: Plan,
  step: Step,
  operand: StepWeights | undefined,
  tensors: readonly bigint[][],
): bigint[] {
  switch (step.op) {
    case "linear": {
      if (!operand) throw new TypeError("a linear step has weights");
      const size = sizeOf(plan.tensors[step.output]);
      const each = size / (operand.bias.length || 1);
      return multiply(step, operand.weights, tensors[step.input]).map(
        (sum, i) => sum + (operand.bias.length > 0 ? operand.bias[Math.floor(i / each)] : 0n),
      );
    }
    case "relu":
      return tensors[step.input].map((v) => (v < 0n ? 0n : v >> BigInt(step.shift)));
    case "truncate":
      return tensors[step.input].map((v) => v >> BigInt(step.shift));
    case "maxpool":
      return windows(step.window, step.channels, tensors[step.input]).map((values) =>
        values.reduce((a, b) => (b > a ? b : a)),
      );
    case "sumpool":
      return windows(step.window, step.channels, tensors[step.input]).map((values) =>
        values.reduce((a, b) => a + b, 0n),
      );
    case "add": {
      const [a, b] = step.inputs.map((tensor) => tensors[tensor]);
      return a.map((v, i) => (v << BigInt(step.shifts[0])) + (b[i] << BigInt(step.shifts[1])));
    }
    case "add-constant":
      return tensors[step.input].map((v, i) => v + (operand?.bias[i] ?? 0n));
  }
}

function multiply(step: Extract<Step, { op: "linear" }>, weights: Int32Array, x: readonly bigint[]): bigint[] {
  const { shape } = step;
  if (shape.kind === "dense")
    return Array.from({ length: shape.outFeatures }, (_, o) =>
      x.reduce((sum, value, i) => sum + BigInt(weights[o * shape.inFeatures + i]) * value, 0n),
    );
  const perGroup = shape.inChannels / shape.groups;
  const taps = shape.kernelHeight * shape.kernelWidth;
  const plane = shape.inHeight * shape.inWidth;
  const y: bigint[] = [];
  for (let o = 0; o < shape.outChannels; o++) {
    const firstChannel = Math.floor(o / (shape.outChannels / shape.groups)) * perGroup;
    for (let oy = 0; oy < shape.outHeight; oy++)
      for (let ox = 0; ox < shape.outWidth; ox++) {
        let sum = 0n;
        for (let c = 0; c < perGroup; c++)
          for (let k = 0; k < taps; k++) {
            const iy =
              oy * shape.strideHeight - shape.padTop + Math.floor(k / shape.kernelWidth) * shape.dilationHeight;
            const ix = ox * shape.strideWidth - shape.padLeft + (k % shape.kernelWidth) * shape.dilationWidth;
            if (iy < 0 || iy >= shape.inHeight || ix < 0 || ix >= shape.inWidth) continue;
            sum +=
              BigInt(weights[(o * perGroup + c) * taps + k]) * x[(firstChannel + c) * plane + iy * shape.inWidth + ix];
          }
        y.push(sum);
      }
  }
  return y;
}

/** The real elements under each position of a window. */
function windows(w: Window, channels: number, x: readonly bigint[]): bigint[][] {
  const result: bigint[][] = [];
  for (let c = 0; c < channels; c++)
    for (let oy = 0; oy < w.outHeight; oy++)
      for (let ox = 0; ox < w.outWidth; ox++) {
        const values: bigint[] = [];
        const [top, bottom] = realTaps(oy, w.strideHeight, w.dilationHeight, w.padTop, w.kernelHeight, w.inHeight);
        const [left, right] = realTaps(ox, w.strideWidth, w.dilationWidth, w.padLeft, w.kernelWidth, w.inWidth);
        for (let ky = top; ky < bottom; ky++)
          for (let kx = left; kx < right; kx++) {
            const iy = oy * w.strideHeight - w.padTop + ky * w.dilationHeight;
            const ix = ox * w.strideWidth - w.padLeft + kx * w.dilationWidth;
            values.push(x[(c * w.inHeight + iy) * w.inWidth + ix]);
          }
        result.push(values);
      }
  return result;
}
