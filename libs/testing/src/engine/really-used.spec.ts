import { ExpandedPart } from "@parley/correlation";
import { evaluateFixedPoint, importOnnx } from "@parley/model";
import { encodeInput, type Weights } from "@parley/plan";
import { ClientSession, ServerSession, createChannelPair } from "@parley/protocol";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { maskModel, newBatch, type MaskedModel } from "./run-in-memory.js";

/** The randomness and the weights are really used: with others in their place no run gives the right logits. */
describe("network A", () => {
  const folder = new URL("../../../../examples/mnist/", import.meta.url);
  const pixels = readFileSync(new URL("test-images.idx3-ubyte", folder)).subarray(16, 16 + 784);
  let model: MaskedModel;
  let input: BigInt64Array;
  let right: BigInt64Array;

  beforeAll(async () => {
    const { plan, weights } = importOnnx(readFileSync(new URL("a.onnx", folder)), { inputSchema: { lo: 0, hi: 1 } });
    model = await maskModel(plan, weights);
    input = encodeInput(
      plan,
      Float64Array.from(pixels, (p) => p / 255),
      1,
    );
    right = evaluateFixedPoint(plan, weights, input, 1);
  });

  /** The result, or how the run ended, with another model in P0's worker or another batch at P1. */
  async function run(change: { weights?: Weights; otherBatchAtP1?: boolean }): Promise<BigInt64Array | string> {
    const { plan, masked, dealing } = model;
    const batch = newBatch(1);
    const at1 = change.otherBatchAtP1 ? newBatch(1) : batch;
    const [c0, c1] = createChannelPair();
    const server = new ServerSession({
      plan,
      records: 1,
      weights: change.weights ?? model.weights,
      channel: c0,
      correlations: new ExpandedPart({ key: batch.key0.slice() }),
    });
    const client = new ClientSession({
      plan,
      records: 1,
      masked,
      channel: c1,
      correlations: new ExpandedPart({ key: at1.key1.slice(), corrections: dealing.corrections(at1, 1) }),
    });
    await Promise.all([server.prepare(), client.prepare()]);
    const [result] = await Promise.all([client.run(input), server.run(() => undefined)]);
    return result;
  }

  it("gives the right logits with its weights and one batch", async () => {
    expect(await run({})).toEqual(right);
  });

  it("gives no right logit with the weights of another model under the same plan in P0's worker", async () => {
    const last = model.weights[model.weights.length - 1];
    const others = [
      // one weight of the last layer, one bit: only the logit that it feeds may differ, and it must
      [...model.weights.slice(0, -1), { ...last, weights: last.weights.map((w, i) => (i < 128 ? w ^ 1 : w)) }],
      // a model of its own: every sign turned
      model.weights.map((step) => ({ ...step, weights: step.weights.map((w) => -w) })),
    ];
    const [bit, turned] = [await run({ weights: others[0] }), await run({ weights: others[1] })];
    expect(bit).not.toEqual(right);
    expect([...turned].filter((v, i) => v === right[i])).toEqual([]);
  });

  it("gives no right logit where the two parts are not of one batch", async () => {
    const result = await run({ otherBatchAtP1: true });
    expect([...result].filter((v, i) => v === right[i])).toEqual([]);
  });
});
