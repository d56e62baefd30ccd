import { describe, expect, it } from "vitest";

import { tournament, windowElements } from "./tournament.js";
import type { MaxPoolStep, Window } from "./plan.js";

const pool = (channels: number, size: number, kernel: number, change: Partial<Window> = {}): MaxPoolStep => {
  const stride = change.strideHeight ?? kernel;
  const out = Math.floor((size + (change.padTop ?? 0) + (change.padBottom ?? 0) - kernel) / stride) + 1;
  const window: Window = {
    inHeight: size,
    inWidth: size,
    outHeight: out,
    outWidth: out,
    kernelHeight: kernel,
    kernelWidth: kernel,
    strideHeight: stride,
    strideWidth: stride,
    dilationHeight: 1,
    dilationWidth: 1,
    padTop: 0,
    padLeft: 0,
    padBottom: 0,
    padRight: 0,
    ...change,
  };
  return {
    op: "maxpool",
    name: "pool",
    gate: "table",
    input: 0,
    output: 1,
    channels,
    window,
    width: 48,
    share: "offline",
  };
};

/** Plays a tournament on plain numbers. */
function play(step: MaxPoolStep, values: number[]): number[] {
  const { levels, slots, result } = tournament(step);
  const all = [...values, ...new Array<number>(slots - values.length).fill(Number.NaN)];
  for (const level of levels)
    level.a.forEach((a, k) => {
      all[level.first + k] = Math.max(all[a], all[level.b[k]]);
    });
  return [...result].map((slot) => all[slot]);
}

describe("a tournament", () => {
  it.each([
    ["2 x 2", pool(3, 6, 2), 2, 27 * 3],
    ["3 x 3, overlapping", pool(1, 7, 3, { strideHeight: 2, strideWidth: 2 }), 4, 9 * 8],
    [
      "3 x 3 with padding",
      pool(2, 5, 3, { strideHeight: 2, strideWidth: 2, padTop: 1, padLeft: 1, padBottom: 1, padRight: 1 }),
      4,
      0,
    ],
    ["1 x 1", pool(2, 4, 1), 0, 0],
  ])("over windows of %s has so many rounds and finds every maximum", (_, step, rounds, comparisons) => {
    const { levels, slots, result } = tournament(step);
    const inputs = step.channels * step.window.inHeight * step.window.inWidth;
    expect(levels.length).toBe(rounds);
    if (comparisons > 0) expect(slots - inputs).toBe(comparisons);
    expect(levels.reduce((sum, level) => sum + level.a.length, 0)).toBe(slots - inputs);
    expect(result.length).toBe(step.channels * step.window.outHeight * step.window.outWidth);
    // Distinct values in an order without pattern.
    const values = Array.from({ length: inputs }, (_v, i) => (i * 7919) % 10007);
    const want = windowElements(step.window, step.channels).map((window) => Math.max(...window.map((i) => values[i])));
    expect(play(step, values)).toEqual(want);
  });

  it("refuses windows that cover too much together, before it lays them out", () => {
    const step = pool(1024, 4096, 64, { strideHeight: 1, strideWidth: 1 });
    expect(() => tournament(step)).toThrow(/cover \d+ elements/);
  });

  it("refuses windows of padding only, naming the step", () => {
    const step = pool(1, 2, 2, { padTop: 2, strideHeight: 2, strideWidth: 2 });
    expect(() => tournament(step)).toThrow(/"pool"/);
  });
});
