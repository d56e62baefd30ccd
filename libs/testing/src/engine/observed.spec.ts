import { TRANSCRIPT_BYTES, cost } from "@parley/plan";
import { StepTimes, declaredSteps, stepName } from "@parley/protocol";
import type { StepTime } from "@parley/protocol";
import { describe, expect, it } from "vitest";

import { PlanBuilder, randomIntegers } from "./plan-builder.js";
import { maskModel, runInMemory } from "./run-in-memory.js";

const PLANS = {
  "dense, relu, dense, relu, dense": new PlanBuilder([20], 48)
    .dense(30, 15)
    .relu(16)
    .dense(17, 15)
    .relu(16)
    .dense(10, 15),
  "maximum pooling, additions": new PlanBuilder([1, 8, 8], 48)
    .conv(3, 3, {}, 14)
    .maxPool(2)
    .relu(16, "online")
    .dense(4, 15),
};
const RECORDS = 2;
const sum = (steps: readonly StepTime[], field: keyof StepTime) =>
  steps.reduce((total, step) => total + step[field], 0);

describe.each(Object.entries(PLANS))("the steps of a run of %s", (_, builder) => {
  const { plan, weights } = builder.build(40);
  const declared = cost(plan, RECORDS).online;

  async function observed() {
    const times = [new StepTimes(plan), new StepTimes(plan)] as const;
    const model = await maskModel(plan, weights);
    const input = randomIntegers(RECORDS * plan.tensors[0].shape.reduce((a, b) => a * b), 12);
    const run = await runInMemory(model, input, RECORDS, { observers: [...times] });
    return { run, steps: times.map((each) => each.steps()) };
  }

  it("have the messages and bytes that the channel carried and the plan declares", async () => {
    const { run, steps } = await observed();
    const [p0, p1] = steps;
    expect(sum(p0, "sentBytes")).toBe(declared.p0ToP1);
    expect(sum(p1, "sentBytes")).toBe(declared.p1ToP0);
    for (const [own, peer] of [steps, [p1, p0]]) {
      expect(sum(own, "sentMessages") + sum(own, "receivedMessages")).toBe(declared.messages);
      expect(sum(own, "receivedBytes")).toBe(sum(peer, "sentBytes"));
    }
    const { offline } = cost(plan, RECORDS);
    const { counters } = run.channels[1];
    expect(counters.sentBytes - offline.p1ToP0 - TRANSCRIPT_BYTES).toBe(sum(p1, "sentBytes"));
    expect(counters.receivedBytes).toBe(sum(p1, "receivedBytes"));
    expect(counters.sentMessages - offline.messages).toBe(sum(p1, "sentMessages"));
  });

  it("are, for each, what can be told beforehand", async () => {
    const { steps } = await observed();
    for (const party of [0, 1] as const)
      expect(declaredSteps(plan, RECORDS, party)).toEqual(
        Array.from({ length: plan.steps.length + 1 }, (_, index) => {
          const step = steps[party].find((each) => each.step === index);
          return { messages: step?.sentMessages ?? 0, bytes: step?.sentBytes ?? 0 };
        }),
      );
  });

  it("follow each other, and wait no longer than they last", async () => {
    for (const steps of (await observed()).steps) {
      expect(steps.map(({ step }) => stepName(plan, step)).at(-1)).toBe("reveal");
      steps.forEach(({ start, lasted, waited }, i) => {
        expect(waited).toBeLessThanOrEqual(lasted);
        const next = steps[i + 1];
        if (next) expect(start + lasted).toBeCloseTo(next.start, 6);
      });
      expect(sum(steps, "waited")).toBeGreaterThan(0);
    }
  });
});
