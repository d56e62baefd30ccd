import { describe, expect, it } from "vitest";
import { median, ms, quantile, quantiles, sum } from "./statistics.mjs";

describe("quantiles", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);

  it("are nearest ranks, whatever the order of the values", () => {
    expect(quantiles(hundred)).toEqual({ median: 50, p95: 95, p99: 99 });
    expect(hundred[0]).toBe(100); // the values stay as they were
  });

  it("of few values are among them", () => {
    expect(quantiles([3])).toEqual({ median: 3, p95: 3, p99: 3 });
    expect(quantiles([2, 1])).toEqual({ median: 1, p95: 2, p99: 2 });
    expect(median([5, 1, 9])).toBe(5);
    expect(quantile([5, 1, 9], 0)).toBe(1);
    expect(quantile([5, 1, 9], 1)).toBe(9);
  });

  it("compare as numbers, not as text", () => {
    expect(median([10, 9, 100])).toBe(10);
  });

  it("of nothing are refused", () => {
    expect(() => median([])).toThrow(RangeError);
  });

  it("are rounded to microseconds", () => {
    expect(ms(1.23456)).toBe(1.235);
    expect(quantiles([0.14149]).median).toBe(0.141);
    expect(sum([1, 2, 3.5])).toBe(6.5);
  });
});
