import { cost, schedule, sizeOf } from "@parley/plan";
import type { Plan, Weights, Width } from "@parley/plan";
import { createChannelPair } from "@parley/protocol";
import { describe, expect, it } from "vitest";

import { evaluate } from "./evaluate.js";
import { PlanBuilder, randomIntegers } from "./plan-builder.js";
import { maskModel, runInMemory } from "./run-in-memory.js";

/** Bits of inputs and weights that keep every step of the plans below within a width. */
const SIZES: Record<Width, { input: number; weight: number; shift: number }> = {
  32: { input: 8, weight: 7, shift: 8 },
  40: { input: 10, weight: 11, shift: 12 },
  48: { input: 12, weight: 15, shift: 16 },
  56: { input: 16, weight: 20, shift: 20 },
  62: { input: 18, weight: 26, shift: 25 },
};

type Make = (width: Width) => { plan: Plan; weights: Weights };

const PLANS: Record<string, Make> = {
  "dense, relu, dense, relu, dense": (width) => {
    const { weight, shift } = SIZES[width];
    return new PlanBuilder([20], width)
      .dense(30, weight)
      .relu(shift)
      .dense(17, weight)
      .relu(shift)
      .dense(10, weight)
      .build(width);
  },
  "relu without truncation, truncation of its own": (width) =>
    new PlanBuilder([9], width).dense(12, 4).relu(0).dense(12, 4).truncate(5).dense(3, 4).truncate(3).build(32),
  "convolutions: padding, stride, dilation, groups": (width) => {
    const { weight, shift } = SIZES[width];
    return new PlanBuilder([2, 9, 8], width)
      .conv(4, 3, { padTop: 1, padLeft: 1, padBottom: 1, padRight: 1 }, weight - 1)
      .relu(shift)
      .conv(6, 3, { groups: 2, strideHeight: 2, strideWidth: 2, dilationWidth: 2 }, weight - 2)
      .relu(shift)
      .dense(5, weight - 1)
      .build(width);
  },
  "maximum pooling before relu": (width) => {
    const { weight, shift } = SIZES[width];
    return new PlanBuilder([1, 8, 8], width)
      .conv(3, 3, {}, weight - 1)
      .maxPool(2)
      .relu(shift, "online")
      .dense(4, weight)
      .build(width);
  },
  "maximum pooling with overlapping, odd and padded windows": (width) =>
    new PlanBuilder([1, 9, 7], width)
      .conv(2, 2, {}, 5)
      .maxPool(3, { strideHeight: 2, strideWidth: 2, padTop: 1, padLeft: 1, padRight: 1 })
      .maxPool(2, { strideHeight: 1, strideWidth: 1, padBottom: 1 }, "online")
      .relu(3, "online")
      .dense(4, 5)
      .build(32),
  "pooling of the input itself": (width) =>
    new PlanBuilder([2, 6, 6], width).maxPool(3, {}, "online").dense(3, 4).build(32),
  "relu of the input itself": (width) => new PlanBuilder([11], width).relu(2, "online").dense(3, 4).build(32),
  "sums over windows, average left to the client": (width) =>
    new PlanBuilder([2, 6, 6], width)
      .conv(3, 3, {}, 4)
      .sumPool(2)
      .relu(4)
      .sumPool(2, { padTop: 1, padLeft: 1 })
      .build(32),
  "residual: one masked tensor, two readers, shares of 64 bits": (width) => {
    const b = new PlanBuilder([16], width).dense(16, 5).relu(3, "offline", 64);
    const branch = b.last;
    b.dense(16, 5).relu(6, "offline", 64).dense(16, 5).add(branch, [0, 7]);
    const sum = b.last;
    return b
      .relu(5, "online", 64)
      .dense(6, 4)
      .dense(6, 4, { input: sum + 1 })
      .add(sum + 2, [1, 2])
      .build(32);
  },
  "constants, before and after comparisons": (width) =>
    new PlanBuilder([10], width)
      .addConstant(6)
      .dense(10, 5)
      .addConstant(7)
      .relu(4)
      .addConstant(6)
      .dense(5, 5)
      .addConstant(9)
      .build(32),
  "ends with a comparison": (width) => new PlanBuilder([10], width).dense(10, 6).relu(2).build(30),
  "no comparison at all": (width) => new PlanBuilder([10], width).dense(7, 6).build(32),
};

const inputBits = (name: string, width: Width): number =>
  name.startsWith("dense") || name.startsWith("conv") || name === "maximum pooling before relu"
    ? SIZES[width].input
    : 7;

const widths = [32, 40, 48, 56, 62] as const;
const counts = [1, 3, 8];

describe.each(Object.keys(PLANS))("a run of %s", (name) => {
  it.each(widths.flatMap((width) => counts.map((records) => ({ width, records }))))(
    "width $width, $records records: equals the plaintext, and costs what the plan says",
    async ({ width, records }) => {
      const { plan, weights } = PLANS[name](width);
      const model = await maskModel(plan, weights);
      const input = randomIntegers(records * sizeOf(plan.tensors[0]), inputBits(name, width));
      const run = await runInMemory(model, input, records);
      expect(run.result).toEqual(evaluate(plan, weights, input, records));

      const predicted = cost(plan, records);
      const trailer = schedule(plan, records).messages.reduce((sum, m) => sum + m.trailer, 0);
      const [p0, p1] = run.channels.map((channel) => channel.counters);
      expect(p1.sentBytes).toBe(predicted.online.p1ToP0 + predicted.offline.p1ToP0 + trailer);
      expect(p0.sentBytes).toBe(predicted.online.p0ToP1);
      expect(p0.sentMessages + p1.sentMessages).toBe(predicted.online.messages + predicted.offline.messages);
      expect([p0.receivedBytes, p0.receivedMessages]).toEqual([p1.sentBytes, p1.sentMessages]);
      expect([p1.receivedBytes, p1.receivedMessages]).toEqual([p0.sentBytes, p0.sentMessages]);
      expect(run.server.revealed).toBe(true);
      expect(run.server.transcript()).toEqual(run.client.transcript());
    },
  );

  it.each(widths)("width %i, 128 records through a channel that copies late", async (width) => {
    const { plan, weights } = PLANS[name](width);
    const model = await maskModel(plan, weights);
    const input = randomIntegers(128 * sizeOf(plan.tensors[0]), inputBits(name, width));
    const { result } = await runInMemory(model, input, 128, { channels: createChannelPair("late") });
    expect(result).toEqual(evaluate(plan, weights, input, 128));
  });
});
