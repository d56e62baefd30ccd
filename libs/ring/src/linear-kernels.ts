/** Weight limbs x input limbs: assembly/linear-kernels.mjs. */
export type SchemeName = "Short32" | "Short40" | "Short48" | "Short62" | "Full32" | "Full40" | "Full48";

/** y[n][m] += a run of `steps` (8 inputs each) of row m with record n. Strides are in bytes. */
type Rows = (
  y: number,
  yRecord: number,
  w: number,
  panel: number,
  rows: number,
  x: number,
  xRecord: number,
  records: number,
  steps: number,
) => void;

/**
 * One record of a convolution: y[m][row][column] += a run of `steps`, each a pair of inputs under the window.
 * @param xRow bytes from the planes' row for one row of results to that for the next
 * @param table where each step's inputs for the first result lie, bytes from x
 * @param plane bytes from one limb's planes to the next's
 */
type Tiles = (
  y: number,
  outHeight: number,
  outWidth: number,
  w: number,
  panel: number,
  rows: number,
  x: number,
  xRow: number,
  table: number,
  plane: number,
  steps: number,
) => void;

export type RowsKernels = Record<`rows${SchemeName}`, Rows>;
export type TilesKernels = Record<`tiles${SchemeName}`, Tiles>;

/** Exports of build/ring.wasm for products of limbs; described in assembly/linear-limbs.ts. */
export interface LinearKernels extends RowsKernels, TilesKernels {
  splitLimbs(cut: number, out: number, step: number, next: number, words: number, count: number): void;
  widenWords(words: number, integers: number, count: number): void;
  gatherPairs(out: number, step: number, limbs: number, index: number, count: number): void;
  pairPlanes(
    out: number,
    limbs: number,
    channels: number,
    inHeight: number,
    inWidth: number,
    padTop: number,
    padLeft: number,
    height: number,
    stride: number,
    phase: number,
    dilation: number,
    below: number,
  ): void;
}
