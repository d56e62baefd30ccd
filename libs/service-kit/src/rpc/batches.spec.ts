import { describe, expect, it } from "vitest";
import { Batches } from "./batches.js";

describe("Batches", () => {
  it("takes what comes during a batch into the next one, at most so many, each with its own answer", async () => {
    const seen: number[][] = [];
    const release: (() => void)[] = [];
    const batches = new Batches<number, number>(async (requests) => {
      seen.push([...requests]);
      await new Promise<void>((resolve) => release.push(resolve));
      return requests.map((n) => (n === 3 ? new RangeError("three") : n * 10));
    }, 3);
    const first = batches.run(1);
    await new Promise((resolve) => setImmediate(resolve));
    const rest = [2, 3, 4, 5].map((n) => batches.run(n));
    const settled = Promise.allSettled(rest);
    while (seen.length < 3 || release.length > 0) {
      release.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await first).toBe(10);
    expect(seen).toEqual([[1], [2, 3, 4], [5]]);
    expect((await settled).map((s) => (s.status === "fulfilled" ? s.value : String(s.reason)))).toEqual([
      20,
      "RangeError: three",
      40,
      50,
    ]);
  });

  it("fails all of a batch whose work fails, and goes on", async () => {
    let calls = 0;
    const batches = new Batches<number, number>(async (requests) => {
      if (calls++ === 0) throw new Error("away");
      return requests;
    });
    const failed = await Promise.allSettled([batches.run(1), batches.run(2)]);
    expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await batches.run(3)).toBe(3);
  });
});
