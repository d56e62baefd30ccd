import { describe, expect, it } from "vitest";
import { densePlan } from "../testing/plans.js";
import { JobResult } from "./result.js";

const bytes = (...integers: bigint[]) => Buffer.from(BigInt64Array.from(integers).buffer);
const ONE = 1n << 16n;

describe("JobResult", () => {
  it("keeps the exact integers and gives real values", () => {
    const huge = 2n ** 53n + 1n; // not a double
    const result = JobResult.decode(densePlan([2]), bytes(ONE, -ONE / 2n, huge, -huge), 2);
    expect(result.logits).toEqual([
      ["65536", "-32768"],
      ["9007199254740993", "-9007199254740993"],
    ]);
    expect(result.values[0]).toEqual([1, -0.5]);
    expect(result.scale).toBe(16);
    expect(result.labels).toEqual([0, 0]);
  });

  it("applies the model's softmax", () => {
    const plan = densePlan([2], undefined, { head: "softmax", outputs: 3 });
    const { values, labels } = JobResult.decode(plan, bytes(0n, ONE, 2n * ONE), 1);
    const sum = 1 + Math.E + Math.E ** 2;
    [1, Math.E, Math.E ** 2].forEach((power, i) => expect(values[0][i]).toBeCloseTo(power / sum, 14));
    expect(labels).toEqual([2]);
  });

  it("applies the model's sigmoid and names the class by the sign", () => {
    const plan = densePlan([2], undefined, { head: "sigmoid", outputs: 1, labels: ["healthy", "ill"] });
    const { values, labels } = JobResult.decode(plan, bytes(ONE, -1n, 0n), 3);
    expect(values[0][0]).toBeCloseTo(1 / (1 + 1 / Math.E), 14);
    expect(values[2]).toEqual([0.5]);
    expect(labels).toEqual(["ill", "healthy", "ill"]);
  });

  it("decides labels by the exact integers, ties to the first", () => {
    const plan = densePlan([2], undefined, { labels: ["a", "b"] });
    const near = 2n ** 60n;
    expect(JobResult.decode(plan, bytes(near, near + 1n, near, near), 2).labels).toEqual(["b", "a"]);
  });

  it("gives a single output without a head as it is", () => {
    expect(JobResult.decode(densePlan([2], undefined, { outputs: 1 }), bytes(ONE / 4n), 1).labels).toEqual([0.25]);
  });

  it.each([
    [bytes(1n, 2n).subarray(1), 1],
    [bytes(1n, 2n, 3n), 2],
    [bytes(1n, 2n), 0],
  ])("refuses a result that is not whole", (damaged, records) => {
    expect(() => JobResult.decode(densePlan([2]), damaged, records)).toThrow("the result is not whole");
  });

  it("writes CSV, JSON and text", () => {
    const plan = densePlan([2], undefined, { labels: ['say "a", b', "c"] });
    const result = JobResult.decode(plan, bytes(ONE, 0n, 0n, ONE), 2);
    expect(result.toCsv()).toBe('record,label,value_0,value_1\n1,"say ""a"", b",1,0\n2,c,0,1\n');
    expect(result.toText()).toBe('1: say "a", b  [1.0000, 0.0000]\n2: c  [0.0000, 1.0000]\n');
    expect(JSON.parse(JSON.stringify(result))).toEqual({
      values: [
        [1, 0],
        [0, 1],
      ],
      logits: [
        ["65536", "0"],
        ["0", "65536"],
      ],
      scale: 16,
      labels: ['say "a", b', "c"],
    });
  });

  it("shortens wide records in the text", () => {
    const plan = densePlan([2], undefined, { outputs: 1000 });
    const text = JobResult.decode(plan, Buffer.alloc(8000), 1).toText();
    expect(text).toMatch(/^1: 0 {2}\[(0\.0000, ){12}\.\.\. 1000 values\]\n$/);
  });
});
