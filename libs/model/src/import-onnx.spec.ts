import { parsePlan } from "@parley/plan";
import { describe, expect, it } from "vitest";
import { OPERATOR_CASES } from "./spec-support/cases.js";
import { compareOnRandom } from "./spec-support/onnx-runtime.js";

/** Sums of some 30 products of values below 1, activations of 16 fractional bits. */
const TOLERANCE = 0.0005;

describe("every operator and option, against ONNX Runtime", () => {
  it.each(OPERATOR_CASES)("$name", async ({ onnx }) => {
    const { model, difference, runtime } = await compareOnRandom(onnx);
    expect(difference).toBeLessThan(TOLERANCE);
    expect(runtime.some((value) => Math.abs(value) > 0.01)).toBe(true);
    expect(parsePlan(JSON.stringify(model.plan))).toEqual(model.plan);
  });
});
