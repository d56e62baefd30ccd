import type { InputSchema, Plan } from "@parley/plan";

/** A plan of one dense layer over an input of any shape: what the SDK reads of a plan, for specs. */
export function densePlan(
  shape: readonly number[],
  schema: InputSchema = { lo: 0, hi: 1 },
  output: Partial<Plan["output"]> & { readonly outputs?: number } = {},
): Plan {
  const { outputs = 2, ...rest } = output;
  const features = shape.reduce((a, b) => a * b, 1);
  return {
    format: "parley.plan.v1",
    layout: 1,
    input: { tensor: 0, schema },
    tensors: [
      { shape, scale: 8, modulus: 40 },
      { shape: [outputs], scale: 16, modulus: 40 },
    ],
    steps: [
      {
        op: "linear",
        name: "dense",
        input: 0,
        output: 1,
        shape: { kind: "dense", inFeatures: features, outFeatures: outputs },
        weightScale: 8,
        weightBits: 32,
        width: 40,
        bias: true,
      },
    ],
    output: { tensor: 1, policy: { kind: "logits" }, width: 40, scale: 16, factor: 1, head: "none", ...rest },
    maxRecords: 64,
  };
}
