import { encodeWeights, planDigest, type Plan, type Weights } from "@parley/plan";
import { randomInt } from "node:crypto";

const [INPUTS, HIDDEN, OUTPUTS, SCALE] = [6, 5, 3, 16];

/** Dense, ReLU, dense. */
export const densePlan: Plan = {
  format: "parley.plan.v1",
  layout: 1,
  input: { tensor: 0, schema: { lo: 0, hi: 1 } },
  tensors: [
    { shape: [INPUTS], scale: SCALE, modulus: 48 },
    { shape: [HIDDEN], scale: 2 * SCALE, modulus: 48 },
    { shape: [HIDDEN], scale: SCALE, modulus: 48 },
    { shape: [OUTPUTS], scale: 2 * SCALE, modulus: 48 },
  ],
  steps: [
    {
      op: "linear",
      name: "first",
      input: 0,
      output: 1,
      shape: { kind: "dense", inFeatures: INPUTS, outFeatures: HIDDEN },
      weightScale: SCALE,
      weightBits: 32,
      width: 48,
      bias: true,
    },
    { op: "relu", name: "relu", gate: "table", input: 1, output: 2, width: 48, shift: SCALE, share: "offline" },
    {
      op: "linear",
      name: "last",
      input: 2,
      output: 3,
      shape: { kind: "dense", inFeatures: HIDDEN, outFeatures: OUTPUTS },
      weightScale: SCALE,
      weightBits: 32,
      width: 48,
      bias: true,
    },
  ],
  output: { tensor: 3, policy: { kind: "logits" }, width: 40, scale: 2 * SCALE, factor: 1, head: "none" },
  maxRecords: 128,
};
export const digestOfPlan = Buffer.from(planDigest(densePlan));

/** Between -1 and 1 at the weights' scale. */
const weight = () => randomInt(-(1 << SCALE), 1 << SCALE);

export function randomWeights(): Weights {
  const layer = (step: number, inputs: number, outputs: number) => ({
    step,
    weights: Int32Array.from({ length: inputs * outputs }, weight),
    bias: BigInt64Array.from({ length: outputs }, () => BigInt(weight()) << BigInt(SCALE)),
  });
  return [layer(0, INPUTS, HIDDEN), layer(2, HIDDEN, OUTPUTS)];
}

export const vaultBytes = (weights: Weights): Buffer => Buffer.from(encodeWeights(weights));

/** D = W - U modulo 2^64, of all layers in order. */
export function maskedWeights(weights: Weights, u: Buffer): Buffer {
  const d = Buffer.alloc(u.length);
  weights
    .flatMap((layer) => [...layer.weights])
    .forEach((w, i) => d.writeBigUInt64LE(BigInt.asUintN(64, BigInt(w) - u.readBigUInt64LE(8 * i)), 8 * i));
  return d;
}

/** Records with values between 0 and 1, as scaled integers. */
export const randomInput = (records: number): BigInt64Array =>
  BigInt64Array.from({ length: records * INPUTS }, () => BigInt(randomInt(0, 1 << SCALE)));

/** The exact answer in plain integers. */
export function evaluate([first, last]: Weights, input: BigInt64Array): bigint[] {
  const dense = (layer: Weights[number], x: readonly bigint[]) =>
    [...layer.bias].map((bias, out) =>
      x.reduce((sum, value, i) => sum + BigInt(layer.weights[out * x.length + i]) * value, bias),
    );
  const results: bigint[] = [];
  for (let at = 0; at < input.length; at += INPUTS) {
    const hidden = dense(first, [...input.subarray(at, at + INPUTS)]);
    const active = hidden.map((value) => (value < 0n ? 0n : value >> BigInt(SCALE)));
    results.push(...dense(last, active));
  }
  return results;
}
