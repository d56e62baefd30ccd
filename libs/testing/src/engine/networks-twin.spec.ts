import { readFileSync } from "node:fs";
import { evaluateFixedPoint, importOnnx } from "@parley/model";
import { cost, encodeInput, schedule } from "@parley/plan";
import { createChannelPair } from "@parley/protocol";
import { describe, expect, it } from "vitest";

import { NETWORK_NAMES, randomNetwork } from "../networks.js";
import { maskModel, runInMemory } from "./run-in-memory.js";

const PIXELS = 784;
const EXAMPLES = new URL("../../../../examples/mnist/", import.meta.url);
const images = readFileSync(new URL("test-images.idx3-ubyte", EXAMPLES)).subarray(16);

/** Images from the `first` on, as an example network takes them. */
const image = (first: number, records: number): Float64Array =>
  Float64Array.from(images.subarray(first * PIXELS, (first + records) * PIXELS), (byte) => byte / 255);

describe("the trained example networks on test images", () => {
  it.each(["a", "b", "c"])(
    "%s: every private logit equals the plaintext one, for one record and for many",
    async (name) => {
      const onnx = readFileSync(new URL(`${name}.onnx`, EXAMPLES));
      const { plan, weights } = importOnnx(onnx, { inputSchema: { lo: 0, hi: 1 } });
      const model = await maskModel(plan, weights);
      for (const [first, records] of [
        [0, 1],
        [1, 1],
        [2, 8],
        [10, 32],
      ]) {
        const input = encodeInput(plan, image(first, records), records);
        const { result, channels } = await runInMemory(model, input, records, { channels: createChannelPair("late") });
        expect(result).toEqual(evaluateFixedPoint(plan, weights, input, records));
        const { online, offline } = cost(plan, records);
        const trailer = schedule(plan, records).messages.reduce((sum, m) => sum + m.trailer, 0);
        expect(channels[0].counters.sentBytes).toBe(online.p0ToP1);
        expect(channels[1].counters.sentBytes).toBe(online.p1ToP0 + offline.p1ToP0 + trailer);
      }
    },
  );
});

describe("networks of the literature with random weights", () => {
  it.each(NETWORK_NAMES)("%s: every private logit equals the plaintext one", async (name) => {
    const { onnx, inputSchema } = randomNetwork(name);
    const { plan, weights } = importOnnx(onnx, { inputSchema });
    const records = cost(plan, 1).comparisons > 100_000 ? 1 : 2;
    const elements = plan.tensors[0].shape.reduce((a, b) => a * b, 1);
    const values = Float64Array.from({ length: records * elements }, (_, i) => Math.fround((i % 31) / 30));
    const input = encodeInput(plan, values, records);
    const { result } = await runInMemory(await maskModel(plan, weights), input, records);
    expect(result).toEqual(evaluateFixedPoint(plan, weights, input, records));
  });

  it("one width for the whole plan: the same results, other costs, and nothing of single layers in the plan", async () => {
    const { onnx, inputSchema } = randomNetwork("C");
    const each = importOnnx(onnx, { inputSchema });
    const { plan, weights } = importOnnx(onnx, { inputSchema, uniformWidth: true });
    const widths = (steps: typeof plan.steps) => new Set(steps.flatMap((s) => ("width" in s ? [s.width] : [])));
    expect(widths(each.plan.steps).size).toBeGreaterThan(1);
    expect([...widths(plan.steps)]).toEqual([Math.max(...widths(each.plan.steps))]);
    const input = encodeInput(
      plan,
      Float64Array.from({ length: PIXELS }, (_, i) => Math.fround((i % 31) / 30)),
      1,
    );
    const { result } = await runInMemory(await maskModel(plan, weights), input, 1);
    expect(result).toEqual(evaluateFixedPoint(each.plan, each.weights, input, 1));
    expect(cost(plan, 1).online.p0ToP1).toBeGreaterThan(cost(each.plan, 1).online.p0ToP1);
  });
});
