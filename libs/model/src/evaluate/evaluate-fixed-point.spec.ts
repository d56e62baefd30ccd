import { encodeInput, sizeOf, type Plan, type Weights } from "@parley/plan";
import { describe, expect, it } from "vitest";
import { importOnnx } from "../import-onnx.js";
import { OPERATOR_CASES } from "../spec-support/operator-cases.js";
import { randomValues } from "../spec-support/random-values.js";
import { evaluateFixedPoint } from "./evaluate-fixed-point.js";
import { referenceEvaluate } from "./reference.js";

const inputSchema = { lo: -1, hi: 1 };

describe("evaluateFixedPoint equals the element-by-element evaluation", () => {
  it.each(OPERATOR_CASES)("$name", ({ onnx }) => {
    const { plan, weights, provenOn } = importOnnx(onnx, { inputSchema });
    const size = sizeOf(plan.tensors[0]);
    const corners = randomValues(size, -1, 1).map((value) => (value < 0 ? -1 : 1));
    const rows = [randomValues(size, -1, 1), corners, new Float64Array(size).fill(1), new Float64Array(size).fill(-1)];
    const input = encodeInput(plan, Float64Array.from(rows.flatMap((row) => [...row])), rows.length);
    const all = rows.map((_, n) => referenceEvaluate(plan, weights, [...input.subarray(n * size, (n + 1) * size)]));
    const expected = all.flatMap((tensors) => tensors[plan.output.tensor]);
    expect([...evaluateFixedPoint(plan, weights, input, rows.length)]).toEqual(expected);
    // what was proven holds, at the corners of the input's range too
    for (const tensors of all)
      provenOn.forEach(({ lo, hi }, step) => {
        const values = tensors[plan.steps[step].output];
        expect(values.every((value) => value >= lo && value <= hi)).toBe(true);
      });
  });

  it("wraps at 64 bits and sign-extends from the output's width", () => {
    const plan = wrappingPlan();
    const weights: Weights = [
      { step: 0, weights: Int32Array.of(-(2 ** 31), 2 ** 31 - 1), bias: BigInt64Array.of(1n << 62n) },
    ];
    const input = BigInt64Array.of((1n << 62n) - 1n, -(1n << 61n) - 3n, -1n, 1n << 40n);
    const exact = [0, 1].map((n) => -(input[2 * n] << 31n) + input[2 * n + 1] * ((1n << 31n) - 1n) + (1n << 62n));
    expect([...evaluateFixedPoint(plan, weights, input, 2)]).toEqual(exact.map((value) => BigInt.asIntN(40, value)));
  });

  it("refuses half a record and weights of another plan", () => {
    const plan = wrappingPlan();
    const weights = [{ step: 0, weights: Int32Array.of(1, 2), bias: BigInt64Array.of(3n) }];
    expect(() => evaluateFixedPoint(plan, weights, new BigInt64Array(3), 2)).toThrow("not 2 record(s) of 2");
    expect(() => evaluateFixedPoint(plan, [], new BigInt64Array(2), 1)).toThrow("do not fit the plan");
    const short = [{ step: 0, weights: Int32Array.of(1), bias: BigInt64Array.of(3n) }];
    expect(() => evaluateFixedPoint(plan, short, new BigInt64Array(2), 1)).toThrow('step 0 ("fc") has another shape');
  });
});

function wrappingPlan(): Plan {
  return {
    format: "parley.plan.v1",
    layout: 1,
    input: { tensor: 0, schema: { lo: -1, hi: 1 } },
    tensors: [
      { shape: [2], scale: 0, modulus: 48 },
      { shape: [1], scale: 0, modulus: 40 },
    ],
    steps: [
      {
        op: "linear",
        name: "fc",
        input: 0,
        output: 1,
        shape: { kind: "dense", inFeatures: 2, outFeatures: 1 },
        weightScale: 0,
        weightBits: 32,
        width: 48,
        bias: true,
      },
    ],
    output: { tensor: 1, policy: { kind: "logits" }, width: 40, scale: 0, factor: 1, head: "none" },
    maxRecords: 4,
  };
}
