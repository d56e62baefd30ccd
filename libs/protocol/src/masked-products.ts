import { sizeOf, weightCount } from "@parley/plan";
import type { LinearStep, Plan } from "@parley/plan";
import { allocationBytes, createRing, multiplyAdd, operandBytes, packOperand, scratchBytes } from "@parley/ring";
import type { PackedOperand, Ring } from "@parley/ring";

import { SessionError } from "./error.js";

/** Products after which a preparation lets other sessions of the process go on: about a millisecond. */
const PRODUCTS_PER_TURN = 4_000_000;

interface Layer {
  readonly step: LinearStep;
  readonly operand: PackedOperand;
  readonly inputs: number;
  readonly outputs: number;
}

/** D*v for all sessions of one model at P1. D is packed once; nothing of a session stays here after a call. */
export class MaskedProducts {
  private readonly ring: Ring;
  private readonly layers = new Map<number, Layer>();
  private readonly work: number;

  /** @param masked D, 8 bytes a weight, linear steps in order @throws SessionError INVALID where it does not fit the plan */
  private constructor(
    private readonly plan: Plan,
    masked: Uint8Array,
  ) {
    const linear = plan.steps.flatMap((step, index) => (step.op === "linear" ? [{ step, index }] : []));
    const bytes = linear.reduce((sum, { index }) => sum + 8 * weightCount(plan, index), 0);
    if (bytes !== masked.length)
      throw new SessionError("INVALID", `the masked weights have ${masked.length} bytes, the plan needs ${bytes}`);
    const room = (step: LinearStep, index: number): number => {
      const [inputs, outputs] = sizesOf(plan, step);
      const n = Math.min(this.recordsPerTurn(index), plan.maxRecords);
      const work =
        allocationBytes(8 * n * inputs) +
        allocationBytes(8 * n * outputs) +
        allocationBytes(scratchBytes(step.shape, n, 64, step.width));
      return Math.max(work, allocationBytes(8 * inputs)); // packing an operand stages a row of words
    };
    const operands = linear.reduce(
      (sum, { step }) => sum + allocationBytes(operandBytes(step.shape, 64, step.width)),
      0,
    );
    this.ring = createRing(operands + Math.max(0, ...linear.map(({ step, index }) => room(step, index))));
    let at = 0;
    for (const { step, index } of linear) {
      const [inputs, outputs] = sizesOf(plan, step);
      const end = at + 8 * weightCount(plan, index);
      const place = this.ring.alloc(operandBytes(step.shape, 64, step.width));
      const operand = packOperand(
        this.ring,
        step.shape,
        { bits: 64, width: step.width },
        masked.subarray(at, end),
        place,
      );
      this.layers.set(index, { step, operand, inputs, outputs });
      at = end;
    }
    this.work = this.ring.mark();
  }

  /** The products with D of a plan. */
  static of(plan: Plan, masked: Uint8Array): MaskedProducts {
    const known = cache.get(masked);
    if (known?.plan === plan) return known;
    const made = new MaskedProducts(plan, masked);
    cache.set(masked, made);
    return made;
  }

  /** Records of a step whose products are computed in one turn of the event loop. */
  recordsPerTurn(index: number): number {
    const step = this.plan.steps[index];
    const positions =
      step.op === "linear" && step.shape.kind === "conv" ? step.shape.outHeight * step.shape.outWidth : 1;
    return Math.max(1, Math.floor(PRODUCTS_PER_TURN / (weightCount(this.plan, index) * positions)));
  }

  /** y += D*v for n records, v and y words in another memory. */
  multiplyAdd(index: number, memory: Ring, v: number, y: number, n: number): void {
    const layer = this.layers.get(index);
    if (!layer) throw new Error(`step ${index} is not linear`);
    const { ring } = this;
    const [inBytes, outBytes] = [8 * n * layer.inputs, 8 * n * layer.outputs];
    const [vAt, yAt] = [ring.alloc(inBytes), ring.alloc(outBytes)];
    const scratch = ring.alloc(scratchBytes(layer.step.shape, n, 64, layer.step.width));
    ring.u8(vAt, inBytes).set(memory.u8(v, inBytes));
    ring.u8(yAt, outBytes).set(memory.u8(y, outBytes));
    multiplyAdd(ring, layer.operand, vAt, yAt, n, scratch);
    memory.u8(y, outBytes).set(ring.u8(yAt, outBytes));
    ring.release(this.work);
  }
}

const sizesOf = (plan: Plan, step: LinearStep): [number, number] => [
  sizeOf(plan.tensors[step.input]),
  sizeOf(plan.tensors[step.output]),
];

const cache = new WeakMap<Uint8Array, MaskedProducts>();
