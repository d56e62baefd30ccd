import { isGateStep, maskBytes, sizeOf, weightCount } from "@parley/plan";
import type { LinearStep, Plan } from "@parley/plan";
import { allocationBytes, createRing, multiplyAdd, operandBytes, packOperand, scratchBytes } from "@parley/ring";
import type { PackedOperand, Ring } from "@parley/ring";

import { copyOf, pieces } from "./gate-dealer.js";
import { GateDealing } from "./gate-dealing.js";
import { deriveMask, stepKey } from "./key-derivation.js";
import type { BatchKeys } from "./key-derivation.js";
import { Keystream } from "./keystream.js";
import { maskStream } from "./mask.js";

/** Records of a linear step are dealt in groups of about this many bytes and products, a few milliseconds each. */
const GROUP_BYTES = 4 * 1024 * 1024;
const GROUP_PRODUCTS = 16_000_000;
/** Masks U up to this size stay expanded between batches. */
const CACHE_BYTES = 256 * 1024 * 1024;

/** Where the work on one kind of step lies in the ring's memory. Nothing in it outlives one synchronous piece of work. */
interface LinearWork {
  readonly v: number;
  readonly c0: number;
  readonly y: number;
  readonly scratch: number;
}
/**
 * Deals batches for one mask. Computes P1's explicit corrections, which with its key make its part; P0's part is its key.
 * Batches may be dealt at the same time; each call draws all its randomness from its own keys.
 */
export class Dealing {
  private readonly key: Uint8Array;
  private readonly ring: Ring;
  private readonly gates: GateDealing;
  /** Room for the largest step's work, used anew by each piece. */
  private readonly work: number;
  private readonly cache?: Map<number, PackedOperand>;

  /** @param maskKey the dealer's key of this mask, 32 bytes; U is derived from it as in expandMask */
  constructor(
    readonly plan: Plan,
    maskKey: Uint8Array,
    maskId: Uint8Array,
  ) {
    this.key = deriveMask(maskKey, maskId);
    const linear = plan.steps.flatMap((step) => (step.op === "linear" ? [step] : []));
    const operands = linear.map((step) => allocationBytes(operandBytes(step.shape, 64, step.width)));
    const cached = maskBytes(plan) <= CACHE_BYTES;
    const work = linear.map((step) => this.linearBytes(step, cached));
    this.gates = new GateDealing(plan);
    const kept = cached ? operands.reduce((a, b) => a + b, 0) : 0;
    this.ring = createRing(kept + Math.max(0, ...work));
    if (cached) {
      this.cache = new Map();
      plan.steps.forEach((step, index) => {
        if (step.op !== "linear") return;
        const at = this.ring.alloc(operandBytes(step.shape, 64, step.width));
        this.cache?.set(index, this.pack(step, index, at));
      });
    }
    this.work = this.ring.mark();
  }

  /**
   * P1's corrections of one batch, in the order of steps: pieces of at most 256 KiB that belong to the caller.
   * @param records of the run
   */
  async *corrections(keys: BatchKeys, records: number): AsyncGenerator<Uint8Array> {
    for (const [index, step] of this.plan.steps.entries()) {
      if (step.op === "linear") yield* this.linear(step, index, keys, records);
      else if (isGateStep(step)) yield* this.gates.corrections(step, index, keys, records);
    }
  }

  /** Erases U. The object is of no use afterwards. */
  destroy(): void {
    this.key.fill(0);
    this.ring.zero();
    this.gates.destroy();
  }

  /** c1 = U*v - c0, protocol section 4; v from P1's key of the tensor's first reader, c0 from P0's. */
  private *linear(step: LinearStep, index: number, keys: BatchKeys, records: number): Generator<Uint8Array> {
    const first = this.plan.steps.findIndex((s) => s.op === "linear" && s.input === step.input);
    const v = new Keystream(stepKey(keys.key1, first));
    const c0 = new Keystream(stepKey(keys.key0, index));
    const [inputs, outputs] = [this.plan.tensors[step.input], this.plan.tensors[step.output]].map(sizeOf);
    for (let done = 0; done < records;) {
      const { ring } = this;
      const operand =
        this.cache?.get(index) ?? this.pack(step, index, ring.alloc(operandBytes(step.shape, 64, step.width)));
      const n = Math.min(this.groupRecords(step), records - done);
      const at = this.linearWork(step, n);
      v.fill(ring.u8(at.v, 8 * n * inputs));
      c0.fill(ring.u8(at.c0, 8 * n * outputs));
      multiplyAdd(ring, operand, at.v, at.y, n, at.scratch);
      ring.exports.subWords(at.y, at.y, at.c0, n * outputs);
      const c1 = copyOf(ring.u8(at.y, 8 * n * outputs));
      ring.release(this.work);
      yield* pieces(c1);
      done += n;
    }
  }

  private pack(step: LinearStep, index: number, at: number): PackedOperand {
    const u = new Uint8Array(8 * weightCount(this.plan, index));
    maskStream(this.key, index).fill(u);
    const operand = packOperand(this.ring, step.shape, { bits: 64, width: step.width }, u, at);
    u.fill(0);
    return operand;
  }

  private groupRecords(step: LinearStep): number {
    const words = Math.max(sizeOf(this.plan.tensors[step.input]), sizeOf(this.plan.tensors[step.output]));
    const positions = step.shape.kind === "conv" ? step.shape.outHeight * step.shape.outWidth : 1;
    const products = weightCount(this.plan, this.plan.steps.indexOf(step)) * positions;
    // A mask that is not kept is derived anew for each group: then few groups count for more than short ones.
    const most = this.cache ? Math.floor(GROUP_PRODUCTS / products) : Infinity;
    const fits = Math.min(Math.floor(GROUP_BYTES / (8 * words)), most);
    return Math.max(1, Math.min(this.plan.maxRecords, fits));
  }

  private linearWork(step: LinearStep, records: number): LinearWork {
    const { ring } = this;
    const out = 8 * records * sizeOf(this.plan.tensors[step.output]);
    return {
      v: ring.alloc(8 * records * sizeOf(this.plan.tensors[step.input])),
      c0: ring.alloc(out),
      y: ring.alloc(out),
      scratch: ring.alloc(scratchBytes(step.shape, records, 64, step.width)),
    };
  }

  private linearBytes(step: LinearStep, cached: boolean): number {
    const records = this.groupRecords(step);
    const [inputs, outputs] = [this.plan.tensors[step.input], this.plan.tensors[step.output]].map(sizeOf);
    const operand = cached ? 0 : allocationBytes(operandBytes(step.shape, 64, step.width));
    const work =
      allocationBytes(8 * records * inputs) +
      2 * allocationBytes(8 * records * outputs) +
      allocationBytes(scratchBytes(step.shape, records, 64, step.width));
    return operand + work;
  }
}
