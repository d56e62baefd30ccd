import type { LinearStep, StepWeights } from "@parley/plan";
import {
  allocationBytes,
  createRing,
  multiplyAdd,
  operandBytes,
  packOperand,
  scratchBytes,
  type PackedOperand,
  type Ring,
} from "@parley/ring";
import type { Words } from "./words.js";

/** Whatever the plan says of weights and width: products mod 2^64, by kernels that the protocol has no use for up to width 48. */
const EXACT = { bits: 32, width: 64 } as const;

/** One linear step with its weights packed in a WebAssembly memory of its own, for up to `records` records at once. */
export class LinearKernel {
  readonly #ring: Ring;
  readonly #operand: PackedOperand;
  readonly #x: number;
  readonly #y: number;
  readonly #scratch: number;
  readonly #bias: Words;

  constructor(step: LinearStep, { weights, bias }: StepWeights, inputs: number, outputs: number, records: number) {
    const { shape } = step;
    const operand = operandBytes(shape, EXACT.bits, EXACT.width);
    const scratch = scratchBytes(shape, records, EXACT.bits, EXACT.width);
    this.#ring = createRing(
      [operand, 8 * inputs * records, 8 * outputs * records, scratch].reduce(
        (sum, bytes) => sum + allocationBytes(bytes),
        0,
      ),
    );
    this.#operand = packOperand(this.#ring, shape, EXACT, weights, this.#ring.alloc(operand));
    this.#x = this.#ring.alloc(8 * inputs * records);
    this.#y = this.#ring.alloc(8 * outputs * records);
    this.#scratch = this.#ring.alloc(scratch);
    const each = bias.length > 0 ? outputs / bias.length : 0;
    this.#bias = new Int32Array(2 * outputs);
    const halves = new Int32Array(bias.buffer, bias.byteOffset, 2 * bias.length);
    if (each > 0)
      for (let i = 0; i < this.#bias.length; i++) this.#bias[i] = halves[2 * Math.floor(i / 2 / each) + (i % 2)];
  }

  /** W x + bias mod 2^64 for n records. */
  run(x: Words, records: number): Words {
    this.#ring.i32(this.#x, x.length).set(x);
    const y = this.#ring.i32(this.#y, this.#bias.length * records);
    for (let n = 0; n < records; n++) y.set(this.#bias, n * this.#bias.length);
    multiplyAdd(this.#ring, this.#operand, this.#x, this.#y, records, this.#scratch);
    return y.slice();
  }

  /** Erases the weights and activations. */
  destroy(): void {
    this.#ring.zero();
  }
}
