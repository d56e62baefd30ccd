import type { LinearMethod, RowSource } from "./linear-operand.js";
import type { Scheme } from "./linear-scheme.js";
import type { Ring } from "./ring.js";
import type { DenseShape } from "./shape.js";

/** Bytes of a vector of 8 limbs. */
const VECTOR = 16;
/** Vectors summed at once: few enough for the limbs of a group of records to stay in the nearest cache. */
const MOST_STEPS = 128;
/** Records that meet a panel of weights one after the other. */
const GROUP = 4;

/** A matrix on limbs: panels of rows, interleaved by vectors; inputs in vectors with their limbs side by side. */
export class DenseLimbs implements LinearMethod {
  private readonly rows: number;
  private readonly depth: number;
  /** Vectors of a row. */
  private readonly steps: number;
  private readonly panel: number;

  constructor(
    shape: DenseShape,
    private readonly scheme: Scheme,
  ) {
    this.rows = shape.outFeatures;
    this.depth = shape.inFeatures;
    this.steps = scheme.turn * Math.ceil(this.depth / 8 / scheme.turn);
    this.panel = this.steps * this.stepBytes;
  }

  /** Bytes of a vector of each limb of each row of a panel. */
  private get stepBytes(): number {
    return this.scheme.panelRows * this.scheme.weights.limbs * VECTOR;
  }

  get operandBytes(): number {
    return Math.ceil(this.rows / this.scheme.panelRows) * this.panel;
  }

  get packingBytes(): number {
    return this.depth * 12;
  }

  scratchBytes(records: number): number {
    return Math.min(records, GROUP) * this.recordBytes;
  }

  private get recordBytes(): number {
    return this.steps * this.scheme.inputs.limbs * VECTOR;
  }

  pack(ring: Ring, source: RowSource, at: number, staging: number): void {
    const { depth, panel } = this;
    const { panelRows } = this.scheme;
    const { id, limbs } = this.scheme.weights;
    for (let row = 0; row < this.rows; row++) {
      source.words(ring, row, staging);
      const inPanel = row % panelRows;
      const out = at + ((row - inPanel) / panelRows) * panel + inPanel * limbs * VECTOR;
      ring.exports.splitLimbs(id, out, this.stepBytes, VECTOR, staging, depth);
    }
  }

  multiplyAdd(ring: Ring, at: number, x: number, y: number, records: number, scratch: number): void {
    const { rows, depth, steps, panel, recordBytes } = this;
    const { inputs } = this.scheme;
    const multiply = ring.exports[this.scheme.rows];
    const { turn, mostSteps } = this.scheme;
    const run = turn * Math.ceil(steps / turn / Math.ceil(steps / Math.min(MOST_STEPS, mostSteps)));
    for (let first = 0; first < records; first += GROUP) {
      const group = Math.min(GROUP, records - first);
      for (let n = 0; n < group; n++) {
        // What lies behind the last element meets zero weights; it only has to be readable.
        const words = x + (first + n) * depth * 8;
        ring.exports.splitLimbs(inputs.id, scratch + n * recordBytes, inputs.limbs * VECTOR, VECTOR, words, depth);
      }
      const to = y + first * rows * 8;
      for (let step = 0; step < steps; step += run) {
        const w = at + step * this.stepBytes;
        const from = scratch + step * inputs.limbs * VECTOR;
        const length = Math.min(run, steps - step);
        multiply(to, rows * 8, w, panel, rows, from, recordBytes, group, length);
      }
    }
  }
}
