import { evaluateFixedPoint, importOnnx } from "@parley/model";
import { cost, decodeOutput, encodeInput, parsePlan, sizeOf } from "@parley/plan";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { NETWORK_NAMES, randomNetwork, type NetworkName } from "./networks.js";

/** Comparisons of one record, which follow from the architecture: one per ReLU, three per 2x2 maximum. */
const COMPARISONS: Readonly<Record<NetworkName, number>> = {
  A: 256,
  B: 9_316,
  C: 15_220,
  D: 36 * (3 + 1) * (14 * 14 + 5 * 5) + 72,
  M1: 256,
  M2: 16 * (24 * 24 + 8 * 8) + 100,
  C1: 173_056,
  "breast-cancer": 32,
  diabetes: 40,
  liver: 64,
  thyroid: 32,
};
const RECORDS = 2;

describe("networks of the literature with random weights", () => {
  it.each(NETWORK_NAMES)("%s: ranges proven, ReLUs counted, the answer of ONNX Runtime", async (name) => {
    const { onnx, inputSchema, inputShape } = randomNetwork(name);
    const { plan, weights } = importOnnx(onnx, { inputSchema });
    expect(parsePlan(JSON.stringify(plan))).toEqual(plan);
    expect(cost(plan, 1).comparisons).toBe(COMPARISONS[name]);
    const input = Float64Array.from({ length: RECORDS * sizeOf(plan.tensors[0]) }, (_, i) =>
      Math.fround((i % 29) / 28),
    );
    const logits = evaluateFixedPoint(plan, weights, encodeInput(plan, input, RECORDS), RECORDS);
    const ours = decodeOutput(plan, logits).values.flat();
    const session = await InferenceSession.create(onnx, { intraOpNumThreads: 1 });
    const feeds = { x: new Tensor("float32", Float32Array.from(input), [RECORDS, ...inputShape]) };
    const { data } = (await session.run(feeds))[session.outputNames[0]];
    await session.release();
    expect(data).toHaveLength(ours.length);
    ours.forEach((value, i) => expect(Math.abs(value - Number(data[i]))).toBeLessThan(0.00005));
  });

  it("are the same file every time", () => {
    expect(Buffer.from(randomNetwork("M2").onnx).equals(randomNetwork("M2").onnx)).toBe(true);
    expect(Buffer.from(randomNetwork("A").onnx).equals(randomNetwork("M1").onnx)).toBe(false);
  });
});
