import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutRuns } from "./cut-runs.js";
import { decodeOutput } from "./decode-output.js";
import { encodePlan, planDigest } from "./digest.js";
import { encodeInput } from "./encode-input.js";
import { PlanError } from "./error.js";
import { parseInputSchema } from "./input-schema.js";
import type { InputSchema, Plan } from "./plan.js";
import { quantise } from "./quantise.js";
import { examplePlan } from "./spec-support/example-plan.js";

function tabular(schema: InputSchema, features: number, scale = 16): Plan {
  const tensors = [{ shape: [features], scale, modulus: 48 }, ...examplePlan.tensors.slice(1)];
  return { ...examplePlan, tensors, input: { tensor: 0, schema } };
}

describe("encodeInput", () => {
  it("rounds to the nearest integer at the input's scale, halves away from zero", () => {
    const plan = tabular({ lo: -100, hi: 100 }, 2, 4);
    const values = Float64Array.of(0.5 / 16, -0.5 / 16, 1.49 / 16, -1.49 / 16, 100, -100);
    expect([...encodeInput(plan, values, 3)]).toEqual([1n, -1n, 1n, -1n, 1600n, -1600n]);
    expect(quantise(0.49999999999999994, 0)).toBe(0);
  });

  it("is exact on all admitted integers, above 32 bits too", () => {
    const plan = tabular({ lo: -(2 ** 35), hi: 2 ** 35 }, 1);
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 51), max: 2 ** 51 }), (integer) => {
        expect(encodeInput(plan, Float64Array.of(integer / 2 ** 16), 1)[0]).toBe(BigInt(integer));
      }),
    );
  });

  it("gives each feature a scale of its own where the plan says so", () => {
    const plan = tabular({ lo: 0, hi: 4096 }, 3, 4);
    const scaled: Plan = { ...plan, input: { ...plan.input, featureScales: [0, 8, -6] } };
    const values = Float64Array.of(1, 1, 1024, 2.5, 0.5 / 4096, 2);
    expect([...encodeInput(scaled, values, 2)]).toEqual([16n, 4096n, 256n, 40n, 1n, 1n]);
  });

  it.each<[string, number[], string, string]>([
    ["a value above", [1, 11, 3, 4], "OUT_OF_RANGE", "row 1, column 2 (age): above the admitted range, 0 to 10"],
    ["a value below", [1, 2, -0.001, 4], "OUT_OF_RANGE", "row 2, column 1 (weight): below the admitted range, 0 to 5"],
    ["NaN", [1, 2, 3, Number.NaN], "NOT_A_NUMBER", "row 2, column 2 (age): not a number"],
    ["infinity", [1, Number.POSITIVE_INFINITY, 3, 4], "OUT_OF_RANGE", "row 1, column 2 (age)"],
    ["half a record", [1, 2, 3], "WRONG_SHAPE", "3 values are not 2 record(s) of 2 values"],
  ])("refuses %s, naming its place and not its value", (_, values, reason, message) => {
    const plan = tabular({ lo: 0, hi: [5, 10], names: ["weight", "age"] }, 2);
    try {
      encodeInput(plan, Float64Array.from(values), 2);
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof PlanError)) throw error;
      expect(error.reason).toBe(reason);
      expect(error.message).toContain(message);
    }
  });
});

describe("input schemas", () => {
  it("are checked", () => {
    expect(parseInputSchema({ lo: [0, 1], hi: 2, names: ["a", "b"], bytes: "linear" }, 2)).toEqual({
      lo: [0, 1],
      hi: 2,
      names: ["a", "b"],
      bytes: "linear",
    });
    for (const [wrong, where] of [
      [{ lo: 1, hi: 0 }, "schema.lo"],
      [{ lo: [0, 3], hi: 2 }, "feature 2"],
      [{ lo: 0, hi: Number.POSITIVE_INFINITY }, "schema.hi"],
      [{ lo: 0, hi: 1, names: ["a"] }, "schema.names"],
      [{ lo: 0, hi: 1, names: ["a", "a"] }, "schema.names"],
      [{ lo: 0, hi: 1, bytes: "log" }, "schema.bytes"],
      [{ lo: 0, hi: 1, mean: 3 }, "schema.mean"],
    ] as const)
      expect(() => parseInputSchema(wrong, 2)).toThrow(where);
  });
});

describe("decodeOutput", () => {
  const withHead = (head: Plan["output"]["head"]): Plan => ({
    ...examplePlan,
    tensors: [...examplePlan.tensors.slice(0, 5), { shape: [2, 2], scale: 2, modulus: 48 }],
    output: { ...examplePlan.output, scale: 2, factor: 0.5, head },
  });
  const logits = BigInt64Array.of(8n, 0n, -8n, 8n, 8_000_000n, 0n, 0n, 0n);
  const softmax = (a: number, b: number): number => 1 / (1 + Math.exp(b - a));

  it("scales, keeps the integers, and leaves 'none' alone", () => {
    const decoded = decodeOutput(withHead("none"), logits);
    expect(decoded.values).toEqual([
      [1, 0, -1, 1],
      [1_000_000, 0, 0, 0],
    ]);
    expect(decoded.logits[0]).toEqual(["8", "0", "-8", "8"]);
  });

  it("applies softmax, its logarithm and sigmoid over the last dimension, without overflow", () => {
    const close = (got: number[][], expected: number[]): void =>
      got.flat().forEach((value, i) => expect(value).toBeCloseTo(expected[i], 12));
    const p = [softmax(1, 0), softmax(0, 1), softmax(-1, 1), softmax(1, -1), 1, 0, 0.5, 0.5];
    close(decodeOutput(withHead("softmax"), logits).values, p);
    const small = p.slice(0, 4).map(Math.log);
    close(decodeOutput(withHead("log-softmax"), logits).values, [
      ...small,
      0,
      -1_000_000,
      Math.log(0.5),
      Math.log(0.5),
    ]);
    close(decodeOutput(withHead("sigmoid"), logits).values, [
      ...[1, 0, -1, 1].map((x) => softmax(x, 0)),
      1,
      0.5,
      0.5,
      0.5,
    ]);
  });

  it("refuses half a record", () => {
    expect(() => decodeOutput(withHead("none"), logits.subarray(1))).toThrow("not records of 4");
  });
});

describe("cutRuns", () => {
  it("cuts jobs into powers of two, largest first", () => {
    expect(cutRuns(200, 128)).toEqual([128, 64, 8]);
    expect(cutRuns(7, 1)).toEqual([1, 1, 1, 1, 1, 1, 1]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 0, max: 10 }), (records, log) => {
        const runs = cutRuns(records, 2 ** log);
        expect(runs.reduce((a, b) => a + b, 0)).toBe(records);
        expect(runs.every((run) => Number.isInteger(Math.log2(run)) && run <= 2 ** log)).toBe(true);
        expect(runs.filter((run) => run < 2 ** log)).toHaveLength(new Set(runs.filter((run) => run < 2 ** log)).size);
      }),
    );
  });

  it.each([
    [0, 8],
    [1.5, 8],
    [5, 0],
    [5, 12],
  ])("refuses %d records in runs of %d", (records, most) => {
    expect(() => cutRuns(records, most)).toThrow(PlanError);
  });
});

describe("planDigest", () => {
  it("does not depend on the order of fields, and on nothing but the plan", () => {
    const { format, ...rest } = examplePlan;
    expect(planDigest({ ...rest, format })).toEqual(planDigest(examplePlan));
    expect(planDigest({ ...examplePlan, maxRecords: 64 })).not.toEqual(planDigest(examplePlan));
    expect(new TextDecoder().decode(encodePlan(examplePlan))).toMatch(
      /^\{"format":"parley\.plan\.v1","input":\{"schema":/,
    );
    expect(planDigest(examplePlan)).toHaveLength(32);
  });
});
