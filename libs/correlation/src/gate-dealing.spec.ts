import { randomBytes } from "node:crypto";
import { BLOCK, blocksOf, gateCounts, gateOf } from "@parley/plan";
import type { MaxPoolStep, Plan, ReluStep } from "@parley/plan";
import { createRing, writeGate } from "@parley/ring";
import { describe, expect, it } from "vitest";

import { GateDealing } from "./gate-dealing.js";
import { stepKey } from "./key-derivation.js";
import type { BatchKeys } from "./key-derivation.js";
import { Keystream } from "./keystream.js";

const relu: ReluStep = {
  op: "relu", name: "relu", gate: "table", input: 0, output: 1, width: 40, shift: 16, share: "offline",
}; // prettier-ignore
const window = {
  inHeight: 16, inWidth: 16, outHeight: 8, outWidth: 8, kernelHeight: 2, kernelWidth: 2, strideHeight: 2,
  strideWidth: 2, dilationHeight: 1, dilationWidth: 1, padTop: 0, padLeft: 0, padBottom: 0, padRight: 0,
}; // prettier-ignore
const pool: MaxPoolStep = {
  op: "maxpool", name: "pool", gate: "table", input: 2, output: 3, width: 40, channels: 60, window, share: "online",
}; // prettier-ignore
const plan: Plan = {
  format: "parley.plan.v1",
  layout: 1,
  input: { tensor: 0, schema: { lo: 0, hi: 1 } },
  tensors: [[700], [700], [60, 16, 16], [60, 8, 8]].map((shape) => ({ shape, scale: 0, modulus: 40 })),
  steps: [relu, pool],
  output: { tensor: 1, policy: { kind: "logits" }, width: 40, scale: 0, factor: 1, head: "none" },
  maxRecords: 8,
};

const key = (): Uint8Array => new Uint8Array(randomBytes(32));
const newKeys = (): BatchKeys => ({ key0: key(), key1: key(), dealerKey: key(), fingerprint: key().subarray(16) });

/** What the protocol says, with each stream read as a whole and each gate dealt at once. */
function expected(step: ReluStep | MaxPoolStep, index: number, keys: BatchKeys, records: number): Buffer {
  const gate = gateOf(plan, step);
  const streams = [keys.key0, keys.key1, keys.dealerKey].map((k) => new Keystream(stepKey(k, index)));
  const parts = gateCounts(plan, step, records).map((count) => {
    const blocks = blocksOf(count);
    const rows = 16 * (gate.openedRows + gate.selectRows);
    const ring = createRing(3 * blocks * (gate.blockBytes + rows + 8 * BLOCK) + 2 ** 16);
    const draw = (stream: Keystream, bytes: number): number => {
      const at = ring.alloc(bytes);
      stream.fill(ring.u8(at, bytes));
      return at;
    };
    const [r0, p0] = [draw(streams[0], 8 * BLOCK * blocks), draw(streams[0], gate.blockBytes * blocks)];
    const [r1, drawn] = [draw(streams[1], 8 * BLOCK * blocks), draw(streams[2], rows * blocks)];
    const out = ring.alloc(gate.blockBytes * blocks);
    ring.exports.gateDeal(writeGate(ring, gate, 0), r0, r1, p0, drawn, out, blocks);
    return Buffer.from(ring.u8(out, gate.blockBytes * blocks));
  });
  return Buffer.concat(parts);
}

describe("dealing the gates of a plan", () => {
  const dealing = new GateDealing(plan);
  const all = (step: ReluStep | MaxPoolStep, keys: BatchKeys, records: number): Buffer =>
    Buffer.concat([...dealing.corrections(step, plan.steps.indexOf(step), keys, records)]);

  it.each([1, 2, 8])("%i records: pieces and places make no difference", (records) => {
    const keys = newKeys();
    for (const [index, step] of [relu, pool].entries())
      expect(all(step, keys, records).equals(expected(step, index, keys, records))).toBe(true);
  });

  it("batches dealt piece by piece in turns do not mix, also where one is given up", () => {
    const keys = [newKeys(), newKeys(), newKeys()];
    const turns = keys.map((k, i) => dealing.corrections(i === 1 ? relu : pool, i === 1 ? 0 : 1, k, 8));
    const parts: Uint8Array[][] = [[], [], []];
    for (let open = true, turn = 0; open; turn++) {
      open = false;
      turns.forEach((pieces, i) => {
        if (i === 2 && turn === 1) pieces.return(undefined);
        const next = pieces.next();
        if (next.done === true) return;
        parts[i].push(next.value);
        open = true;
      });
    }
    expect(Buffer.concat(parts[0]).equals(expected(pool, 1, keys[0], 8))).toBe(true);
    expect(Buffer.concat(parts[1]).equals(expected(relu, 0, keys[1], 8))).toBe(true);
    expect(parts[2]).toHaveLength(1);
  });

  it("refuses a step of another plan", () =>
    expect(() => dealing.corrections({ ...relu }, 0, newKeys(), 1)).toThrow(/another plan/));
});
