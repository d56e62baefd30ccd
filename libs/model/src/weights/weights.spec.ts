import { randomBytes } from "node:crypto";
import { decodeWeights, encodeWeights, maskBytes, weightsCommitment } from "@parley/plan";
import { describe, expect, it } from "vitest";
import { importOnnx } from "../import-onnx.js";
import { OnnxBuilder } from "../onnx/onnx-builder.js";
import { randomValues } from "../spec-support/random-values.js";
import { maskWeights } from "./mask-weights.js";

function model(scale = 1) {
  const b = new OnnxBuilder(["N", 2, 5]);
  const conv = b.node("Conv", ["x", b.constant(randomValues(12, -scale, scale), [3, 2, 2])]);
  const sum = b.node("Add", [b.node("Relu", [conv]), b.constant(randomValues(12, -1, 1), [3, 4])]);
  const matrix = b.constant(randomValues(24, -scale, scale), [12, 2]);
  return importOnnx(b.build(b.node("Gemm", [b.node("Flatten", [b.node("Relu", [sum])]), matrix])));
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

describe("stored weights", () => {
  it("come back equal", () => {
    const { plan, weights } = model();
    expect(decodeWeights(encodeWeights(weights), plan)).toEqual(weights);
    const unaligned = new Uint8Array(encodeWeights(weights).length + 3).subarray(3);
    unaligned.set(encodeWeights(weights));
    expect(decodeWeights(unaligned, plan)).toEqual(weights);
  });

  it("are refused when damaged, cut short or of another plan", () => {
    const { plan, weights } = model();
    const bytes = encodeWeights(weights);
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at] ^= 1;
      expect(() => decodeWeights(damaged, plan)).toThrow("damaged");
      expect(() => decodeWeights(bytes.subarray(0, at), plan)).toThrow("damaged");
    }
    expect(() => decodeWeights(encodeWeights(weights.slice(1)), plan)).toThrow("do not fit the plan");
    expect(() => decodeWeights(encodeWeights([...weights, weights[0]]), plan)).toThrow("entries too many");
  });

  it("have a commitment that every bit of weights, biases and key changes", () => {
    const key = randomBytes(32);
    const { weights } = model();
    const commitment = (k: Uint8Array, w: typeof weights): string =>
      Buffer.from(weightsCommitment(k, w)).toString("hex");
    const base = commitment(key, weights);
    expect(commitment(key, weights)).toBe(base);
    expect(base).toHaveLength(64);
    const otherKey = Buffer.from(key);
    otherKey[31] ^= 1;
    expect(commitment(otherKey, weights)).not.toBe(base);
    const [first, ...rest] = weights;
    const weight = first.weights.slice();
    weight[0] ^= 1;
    expect(commitment(key, [{ ...first, weights: weight }, ...rest])).not.toBe(base);
    const bias = first.bias.slice();
    bias[0] ^= 1n;
    expect(commitment(key, [{ ...first, bias }, ...rest])).not.toBe(base);
    expect(() => weightsCommitment(key.subarray(1), weights)).toThrow("at least 32 bytes");
  });
});

describe("masked weights", () => {
  it("are W - U modulo 2^64, however U is cut", async () => {
    const { plan, weights } = model();
    const mask = randomBytes(maskBytes(plan));
    const words = new BigUint64Array(new Uint8Array(mask).buffer);
    const expected = weights
      .flatMap((entry) => [...entry.weights])
      .map((weight, i) => BigInt.asUintN(64, BigInt(weight) - words[i]));
    for (const size of [1, 3, 8, 13, mask.length]) {
      const chunks = Array.from({ length: Math.ceil(mask.length / size) }, (_, i) =>
        mask.subarray(i * size, (i + 1) * size),
      );
      const masked = await collect(maskWeights(plan, weights, chunks));
      expect([...new BigUint64Array(new Uint8Array(masked).buffer)]).toEqual(expected);
    }
  });

  it("need a mask of exactly the right length", async () => {
    const { plan, weights } = model();
    const mask = randomBytes(maskBytes(plan) + 1);
    await expect(collect(maskWeights(plan, weights, [mask]))).rejects.toThrow("mask is not");
    await expect(collect(maskWeights(plan, weights, [mask.subarray(2)]))).rejects.toThrow("mask is not");
    await expect(collect(maskWeights(plan, weights, []))).rejects.toThrow("mask is not");
  });
});
