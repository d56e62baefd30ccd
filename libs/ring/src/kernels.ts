import type { GateKernels } from "./gate-kernels.js";
import type { LinearKernels } from "./linear-kernels.js";

/** The exports of build/ring.wasm; described in assembly/. All parameters are pointers (bytes) or 32-bit integers. */
export interface Kernels extends GateKernels, LinearKernels {
  heapBase(): number;
  addWords(out: number, a: number, b: number, count: number): void;
  subWords(out: number, a: number, b: number, count: number): void;
  addShifted(out: number, a: number, shiftA: number, b: number, shiftB: number, count: number): void;
  signExtendWords(a: number, bits: number, count: number): void;
  addPeriodic(out: number, values: number, period: number, count: number): void;
  addPerChannel(out: number, bias: number, channels: number, area: number): void;
  sumPool(
    out: number,
    words: number,
    channels: number,
    ...window: [
      inHeight: number,
      inWidth: number,
      outHeight: number,
      outWidth: number,
      kernelHeight: number,
      kernelWidth: number,
      strideHeight: number,
      strideWidth: number,
      dilationHeight: number,
      dilationWidth: number,
      padTop: number,
      padLeft: number,
    ]
  ): void;
  packWords(out: number, words: number, count: number, bits: number): void;
  unpackWords(words: number, packed: number, count: number, bits: number): void;
  splitWords(low: number, high: number, words: number, count: number): void;
  multiply32(
    y: number,
    yRow: number,
    yColumn: number,
    w: number,
    rows: number,
    xLow: number,
    xHigh: number,
    columns: number,
    stride: number,
  ): void;
  multiply64(
    y: number,
    yRow: number,
    yColumn: number,
    wLow: number,
    wHigh: number,
    rows: number,
    xLow: number,
    xHigh: number,
    columns: number,
    stride: number,
  ): void;
  patches(
    out: number,
    plane: number,
    first: number,
    count: number,
    stride: number,
    channels: number,
    ...window: [
      inHeight: number,
      inWidth: number,
      outWidth: number,
      kernelHeight: number,
      kernelWidth: number,
      strideHeight: number,
      strideWidth: number,
      dilationHeight: number,
      dilationWidth: number,
      padTop: number,
      padLeft: number,
    ]
  ): void;
}
