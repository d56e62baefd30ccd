import { randomBytes } from "node:crypto";
import { correctionBytes, maskBytes } from "@parley/plan";
import type { LinearStep, Plan, Step } from "@parley/plan";
import { describe, expect, it } from "vitest";

import { Dealing } from "./dealing.js";
import { deriveBatch, stepKey } from "./key-derivation.js";
import type { BatchKeys } from "./key-derivation.js";
import { Keystream } from "./keystream.js";
import { expandMask } from "./mask.js";

const linear = (input: number, output: number, inFeatures: number, outFeatures: number): LinearStep => ({
  op: "linear",
  name: `linear ${input}`,
  input,
  output,
  shape: { kind: "dense", inFeatures, outFeatures },
  weightScale: 0,
  weightBits: 32,
  width: 48,
  bias: false,
});
const relu: Step = {
  op: "relu",
  name: "relu",
  gate: "table",
  input: 1,
  output: 2,
  width: 48,
  shift: 16,
  share: "offline",
};
const plan: Plan = {
  format: "parley.plan.v1",
  layout: 1,
  input: { tensor: 0, schema: { lo: 0, hi: 1 } },
  tensors: [7, 300, 300, 5, 4].map((size) => ({ shape: [size], scale: 0, modulus: 48 })),
  steps: [linear(0, 1, 7, 300), relu, linear(2, 3, 300, 5), linear(2, 4, 300, 4)],
  output: { tensor: 4, policy: { kind: "logits" }, width: 48, scale: 0, factor: 1, head: "none" },
  maxRecords: 8,
};
const bytes = (count: number): Uint8Array => new Uint8Array(randomBytes(count));
const keysOf = (records: number): BatchKeys =>
  deriveBatch(bytes(32), {
    maskId: bytes(32),
    planDigest: bytes(32),
    batchId: bytes(16),
    records,
    org0: bytes(32),
    org1: bytes(32),
  });
const collect = async (pieces: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) {
    expect(piece.length).toBeLessThanOrEqual(256 * 1024);
    all.push(piece);
  }
  return Buffer.concat(all);
};
const words = (buffer: Uint8Array): bigint[] => [...new BigUint64Array(new Uint8Array(buffer).buffer)];
const stream = (key: Uint8Array, step: number, count: number): bigint[] => {
  const target = new Uint8Array(8 * count);
  new Keystream(stepKey(key, step)).fill(target);
  return words(target);
};

describe("dealing", () => {
  const [maskKey, maskId] = [bytes(32), bytes(32)];
  const dealing = new Dealing(plan, maskKey, maskId);

  it.each([1, 3, 8])(
    "%i records: as many corrections as the plan predicts, the same again for the same keys",
    async (records) => {
      const keys = keysOf(records);
      const corrections = await collect(dealing.corrections(keys, records));
      expect(corrections.length).toBe(correctionBytes(plan, records));
      expect((await collect(dealing.corrections(keys, records))).equals(corrections)).toBe(true);
      expect((await collect(new Dealing(plan, maskKey, maskId).corrections(keys, records))).equals(corrections)).toBe(
        true,
      );
    },
  );

  it("batches dealt at the same time do not mix", async () => {
    const batches = [8, 1, 4].map((records) => ({ records, keys: keysOf(records) }));
    const together = await Promise.all(batches.map(({ keys, records }) => collect(dealing.corrections(keys, records))));
    for (const [i, { keys, records }] of batches.entries())
      expect((await collect(dealing.corrections(keys, records))).equals(together[i])).toBe(true);
  });

  it("a linear step's corrections are U*v - c0; readers of one tensor share v and have their own c0", async () => {
    const records = 2;
    const { width } = plan.steps[2] as LinearStep;
    const keys = keysOf(records);
    const u = await collect(expandMask(maskKey, maskId, plan));
    expect(u.length).toBe(maskBytes(plan));
    const corrections = await collect(dealing.corrections(keys, records));
    // The last two steps of the plan read tensor 2: v from the key of the first of them.
    const v = stream(keys.key1, 2, records * 300);
    let uAt = 8 * 7 * 300;
    let at = corrections.length - 8 * records * (5 + 4);
    for (const { step, rows } of [
      { step: 2, rows: 5 },
      { step: 3, rows: 4 },
    ]) {
      const U = words(u.subarray(uAt, uAt + 8 * rows * 300));
      const c0 = stream(keys.key0, step, records * rows);
      const want = Array.from({ length: records * rows }, (_, i) => {
        const [n, m] = [Math.floor(i / rows), i % rows];
        let sum = -c0[i];
        for (let k = 0; k < 300; k++) sum += U[m * 300 + k] * v[n * 300 + k];
        return BigInt.asUintN(width, sum);
      });
      const got = words(corrections.subarray(at, at + 8 * records * rows));
      expect(Array.from(got, (word) => BigInt.asUintN(width, word))).toEqual(want);
      uAt += 8 * rows * 300;
      at += 8 * records * rows;
    }
  });

  it("masks of different ids, and batches of different keys, have nothing in common", async () => {
    const other = await collect(expandMask(maskKey, bytes(32), plan));
    const u = await collect(expandMask(maskKey, maskId, plan));
    const [a, b] = [await collect(dealing.corrections(keysOf(1), 1)), await collect(dealing.corrections(keysOf(1), 1))];
    const blocks = (buffer: Buffer): string[] =>
      Array.from({ length: Math.floor(buffer.length / 16) }, (_, i) => buffer.toString("latin1", 16 * i, 16 * i + 16));
    for (const [x, y] of [
      [u, other],
      [a, b],
    ]) {
      const seen = new Set(blocks(x));
      expect(blocks(y).filter((block) => seen.has(block))).toEqual([]);
    }
  });
});
