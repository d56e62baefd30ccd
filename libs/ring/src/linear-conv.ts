import type { LinearMethod, RowSource } from "./linear-operand.js";
import type { Scheme } from "./linear-scheme.js";
import { asRow, planesOf, type Planes } from "./linear-window.js";
import type { Ring } from "./ring.js";
import { matrixOf, type ConvShape } from "./shape.js";

/** Bytes that a tile of four columns reads behind the planes. */
const READ_AHEAD = 16;

const align16 = (bytes: number) => Math.ceil(bytes / 16) * 16;

/** A direct convolution on limbs: no patches, tiles of a few output channels and four columns over planes of pairs. */
export class ConvLimbs implements LinearMethod {
  private readonly shape: ConvShape;
  private readonly planes: Planes;
  private readonly depth: number;
  /** Output channels of a group, and bytes of a panel's and of its weights. */
  private readonly rows: number;
  private readonly panel: number;
  private readonly groupBytes: number;
  private readonly tableBytes: number;

  constructor(
    shape: ConvShape,
    private readonly scheme: Scheme,
  ) {
    this.shape = asRow(shape);
    this.planes = planesOf(this.shape, scheme.turn);
    const { rows, depth } = matrixOf(shape);
    this.rows = rows;
    this.depth = depth;
    this.panel = this.planes.steps.length * this.stepBytes;
    this.groupBytes = Math.ceil(rows / scheme.panelRows) * this.panel;
    this.tableBytes = align16(this.planes.steps.length * 4);
  }

  /** Bytes of a pair of weights of each limb of each row of a panel. */
  private get stepBytes(): number {
    return this.scheme.panelRows * this.scheme.weights.limbs * 4;
  }

  get operandBytes(): number {
    return this.tableBytes + this.shape.groups * this.groupBytes;
  }

  get packingBytes(): number {
    return this.rowBytes + this.scheme.weights.limbs * this.weightBytes + this.planes.steps.length * 8;
  }

  scratchBytes(): number {
    return this.scheme.inputs.limbs * (this.limbBytes + this.planes.bytes) + READ_AHEAD;
  }

  /** Bytes of a row of weights as words and as integers. */
  private get rowBytes(): number {
    return align16(this.depth * 12);
  }

  /** Bytes of one limb of a row of weights, with a zero behind them. */
  private get weightBytes(): number {
    return align16((this.depth + 1) * 2);
  }

  /** Bytes of one limb of a record. */
  private get limbBytes(): number {
    return align16(this.shape.inChannels * this.shape.inHeight * this.shape.inWidth * 2);
  }

  pack(ring: Ring, source: RowSource, at: number, staging: number): void {
    const { depth, weightBytes, panel, groupBytes, rows, planes } = this;
    const { panelRows } = this.scheme;
    const { id, limbs } = this.scheme.weights;
    const cut = staging + this.rowBytes;
    const index = cut + limbs * weightBytes;
    const count = planes.steps.length;
    ring.u32(index, count * 2).set(planes.steps.flatMap((step) => [step.first, step.second]));
    ring.u32(at, count).set(planes.steps.map((step) => step.offset));
    for (let row = 0; row < this.shape.groups * rows; row++) {
      source.words(ring, row, staging);
      ring.exports.splitLimbs(id, cut, 16, weightBytes, staging, depth);
      const inGroup = row % rows;
      const group = at + this.tableBytes + Math.floor(row / rows) * groupBytes;
      const inPanel = inGroup % panelRows;
      const out = group + ((inGroup - inPanel) / panelRows) * panel + inPanel * limbs * 4;
      for (let l = 0; l < limbs; l++)
        ring.exports.gatherPairs(out + 4 * l, this.stepBytes, cut + l * weightBytes, index, count);
    }
  }

  multiplyAdd(ring: Ring, at: number, x: number, y: number, records: number, scratch: number): void {
    const { shape: s, planes, limbBytes, rows, panel } = this;
    const { id, limbs } = this.scheme.inputs;
    const inputs = s.inChannels * s.inHeight * s.inWidth;
    const area = s.outHeight * s.outWidth;
    const pairs = scratch + limbs * limbBytes;
    for (let n = 0; n < records; n++) {
      ring.exports.splitLimbs(id, scratch, 16, limbBytes, x + n * inputs * 8, inputs);
      for (let g = 0; g < s.groups; g++) {
        for (let l = 0; l < limbs; l++) this.pair(ring, pairs + l * planes.bytes, scratch + l * limbBytes, g);
        const to = y + (n * s.outChannels + g * rows) * area * 8;
        this.sum(ring, to, at, at + this.tableBytes + g * this.groupBytes, pairs, panel);
      }
    }
  }

  private pair(ring: Ring, out: number, limb: number, group: number): void {
    const { shape: s, planes } = this;
    ring.exports.pairPlanes(
      out,
      limb + group * planes.channels * s.inHeight * s.inWidth * 2,
      planes.channels,
      s.inHeight,
      s.inWidth,
      s.padTop,
      s.padLeft,
      planes.height,
      s.strideWidth,
      planes.phase,
      s.dilationWidth,
      planes.below,
    );
  }

  private sum(ring: Ring, y: number, table: number, w: number, x: number, panel: number): void {
    const { shape: s, planes, scheme } = this;
    const steps = planes.steps.length;
    const { turn, mostSteps } = scheme;
    const run = turn * Math.ceil(steps / turn / Math.ceil(steps / mostSteps));
    for (let step = 0; step < steps; step += run)
      ring.exports[scheme.tiles](
        y,
        s.outHeight,
        s.outWidth,
        w + step * this.stepBytes,
        panel,
        this.rows,
        x,
        planes.rowBytes * s.strideHeight,
        table + step * 4,
        planes.bytes,
        Math.min(run, steps - step),
      );
  }
}
