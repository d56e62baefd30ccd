import type { Plan, Weights } from "@parley/plan";
import { describe, expect, it } from "vitest";

import { MachinePool } from "./machine.js";

const shape = { kind: "dense", inFeatures: 3, outFeatures: 2 } as const;
const plan: Plan = {
  format: "parley.plan.v1",
  layout: 1,
  input: { tensor: 0, schema: { lo: 0, hi: 1 } },
  tensors: [
    { shape: [3], scale: 4, modulus: 32 },
    { shape: [2], scale: 8, modulus: 32 },
  ],
  steps: [
    { op: "linear", name: "fc", input: 0, output: 1, shape, weightScale: 4, weightBits: 32, width: 32, bias: false },
  ],
  output: { tensor: 1, policy: { kind: "logits" }, width: 32, scale: 8, factor: 1, head: "none" },
  maxRecords: 8,
};
const weights = (): Weights => [{ step: 0, weights: new Int32Array(6), bias: new BigInt64Array(0) }];
const BIG = 1 << 30;

describe("the pool of machines", () => {
  it("hands out a machine again for the same plan, records and operand, to one taker at a time", () => {
    const pool = new MachinePool(BIG);
    const operands = { party: 0, weights: weights() } as const;
    const machine = pool.take(plan, 2, operands);
    pool.give(machine, operands);
    expect(pool.take(plan, 1, operands)).not.toBe(machine);
    expect(pool.take({ ...plan }, 2, operands)).not.toBe(machine);
    expect(pool.take(plan, 2, { party: 0, weights: weights() })).not.toBe(machine);
    expect(pool.take(plan, 2, operands)).toBe(machine);
    expect(pool.take(plan, 2, operands)).not.toBe(machine);
  });

  it("erases what belongs to a run and keeps what does not", () => {
    const operands = { party: 0, weights: weights() } as const;
    operands.weights[0].weights.fill(77);
    const { context } = new MachinePool(BIG).take(plan, 1, operands);
    const { ring } = context.arena;
    const bytes = () => new Uint8Array(ring.buffer);
    const weightsThere = bytes().filter((byte) => byte === 77).length;
    expect(weightsThere).toBeGreaterThan(0);
    for (const { at, bytes: count } of context.tensors) ring.u8(at, count).fill(200);
    context.arena.erase();
    expect(bytes().filter((byte) => byte === 200)).toHaveLength(0);
    expect(bytes().filter((byte) => byte === 77)).toHaveLength(weightsThere);
  });

  it("keeps no more than its limit, and nothing of an operand that it shall forget", () => {
    const operands = { party: 0, weights: weights() } as const;
    const bytes = new MachinePool(BIG).take(plan, 1, operands).context.arena.bytes;
    const pool = new MachinePool(2 * bytes);
    const [a, b, c] = [1, 2, 3].map(() => pool.take(plan, 1, operands));
    for (const machine of [a, b, c]) pool.give(machine, operands);
    expect([pool.take(plan, 1, operands), pool.take(plan, 1, operands)]).toEqual([c, b]);
    pool.give(b, operands);
    pool.forget(operands.weights);
    expect(pool.take(plan, 1, operands)).not.toBe(b);
    const small = new MachinePool(bytes - 1);
    small.give(a, operands);
    expect(small.take(plan, 1, operands)).not.toBe(a);
  });
});
