import { TRANSCRIPT_BYTES, cost } from "@parley/plan";
import { StepTimes, stepName, trafficOfSteps } from "@parley/protocol";
import type { StepTime, Traffic } from "@parley/protocol";
import { describe, expect, it } from "vitest";

import { PlanBuilder, randomIntegers } from "./plan-builder.js";
import { maskModel, openSessions, runInMemory } from "./run-in-memory.js";

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
const total = (steps: readonly Traffic[]) => ({
  messages: steps.reduce((all, { messages }) => all + messages, 0),
  bytes: steps.reduce((all, { bytes }) => all + bytes, 0),
});

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
    const { run } = await observed();
    const { offline } = cost(plan, RECORDS);
    const [sent0, sent1] = [run.server, run.client].map(({ passed }, party) =>
      total(trafficOfSteps(plan, RECORDS, party as 0 | 1, passed)),
    );
    expect(sent0.bytes).toBe(declared.p0ToP1);
    expect(sent1.bytes).toBe(declared.p1ToP0);
    expect(sent0.messages + sent1.messages).toBe(declared.messages);
    const { counters } = run.channels[1];
    expect(counters.receivedMessages).toBe(sent0.messages);
    expect(counters.receivedBytes).toBe(sent0.bytes);
    expect(counters.sentMessages - offline.messages).toBe(sent1.messages);
    expect(counters.sentBytes - offline.p1ToP0 - TRANSCRIPT_BYTES).toBe(sent1.bytes);
  });

  it("have none of the messages that did not pass", async () => {
    const model = await maskModel(plan, weights);
    const stop = () => {
      throw new Error("stopped before the last message");
    };
    const sessions = openSessions(model, RECORDS);
    await Promise.all([sessions.server.prepare(), sessions.client.prepare()]);
    const input = randomIntegers(RECORDS * plan.tensors[0].shape.reduce((a, b) => a * b), 8);
    await Promise.allSettled([sessions.client.run(input), sessions.server.run(stop)]);
    const sent = trafficOfSteps(plan, RECORDS, 0, sessions.server.passed);
    expect(sent.at(-1)).toEqual({ messages: 0, bytes: 0 });
    expect(total(sent).messages).toBe(total(trafficOfSteps(plan, RECORDS, 0)).messages - 1);
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
