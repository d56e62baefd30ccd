import { describe, expect, it } from "vitest";
import { growthOf } from "./growth.mjs";

/** Blocks of four that drift from pair to pair, as a machine does. */
const blocks = (factor: number) =>
  Array.from({ length: 50 }, (_, i) => Array.from({ length: 4 }, (_, j) => factor * (100 + (i % 7) + j / 10)));

describe("the growth of a median", () => {
  it("is told in percent, with what it lies between", () => {
    const { growthPercent, between } = growthOf(blocks(1.03), blocks(1));
    expect(growthPercent).toBeCloseTo(3, 5);
    expect(between[0]).toBeLessThanOrEqual(growthPercent);
    expect(between[1]).toBeGreaterThanOrEqual(growthPercent);
    expect(growthOf(blocks(1), blocks(1)).growthPercent).toBe(0);
  });

  it("needs pairs", () => {
    expect(() => growthOf(blocks(1), [])).toThrow("pairs");
    expect(() => growthOf([], [])).toThrow("pairs");
  });
});
