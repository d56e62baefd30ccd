import { FULL_32, FULL_40, FULL_48, SHORT_32, SHORT_40, SHORT_48, SHORT_62, tile } from "./linear-sums";

// The loops around the sums of linear-sums.ts. Weights lie in panels of two rows, their steps one after the other.

@inline
function rows(kind: i32, y: usize, yRecord: usize, w: usize, panel: usize, count: i32, x: usize, xRecord: usize, records: i32, steps: i32): void {
  for (let m: i32 = 0; m < count; m += 2) {
    for (let n: i32 = 0; n < records; n++)
      tile(false, kind, y + usize(n) * yRecord, 0, 0, m + 1 < count, w, x + usize(n) * xRecord, 0, 0, steps);
    y += 16;
    w += panel;
  }
}

/**
 * y[n][m] += sum of a run of steps (8 inputs each) of row m with record n.
 * @param yRecord bytes from one record's results to the next's; xRecord the same of inputs, panel of two rows of weights
 * @param count rows
 */
export function multiplyRows(kind: i32, y: usize, yRecord: usize, w: usize, panel: usize, count: i32, x: usize, xRecord: usize, records: i32, steps: i32): void {
  if (kind == SHORT_32) rows(SHORT_32, y, yRecord, w, panel, count, x, xRecord, records, steps);
  else if (kind == SHORT_40) rows(SHORT_40, y, yRecord, w, panel, count, x, xRecord, records, steps);
  else if (kind == SHORT_48) rows(SHORT_48, y, yRecord, w, panel, count, x, xRecord, records, steps);
  else if (kind == SHORT_62) rows(SHORT_62, y, yRecord, w, panel, count, x, xRecord, records, steps);
  else if (kind == FULL_32) rows(FULL_32, y, yRecord, w, panel, count, x, xRecord, records, steps);
  else if (kind == FULL_40) rows(FULL_40, y, yRecord, w, panel, count, x, xRecord, records, steps);
  else rows(FULL_48, y, yRecord, w, panel, count, x, xRecord, records, steps);
}

@inline
function tiles(kind: i32, y: usize, outH: i32, outW: i32, w: usize, panel: usize, count: i32, x: usize, xRow: usize, table: usize, plane: usize, steps: i32): void {
  const yRow = usize(outH * outW) << 3;
  for (let m: i32 = 0; m < count; m += 2) {
    let to = y;
    let from = x;
    for (let row: i32 = 0; row < outH; row++) {
      for (let column: i32 = 0; column < outW; column += 4) {
        const offset = usize(column);
        tile(true, kind, to + (offset << 3), yRow, outW - column, m + 1 < count, w, from + (offset << 2), table, plane, steps);
      }
      to += usize(outW) << 3;
      from += xRow;
    }
    y += 2 * yRow;
    w += panel;
  }
}

/**
 * One record of a convolution: y[m][row][column] += sum of a run of steps, each a pair of inputs under the window.
 * @param count output channels
 * @param xRow bytes from the planes' row for one row of results to that for the next
 * @param table where each step's inputs for the first result lie, bytes from x
 * @param plane bytes from one limb's planes to the next's
 */
export function multiplyTiles(kind: i32, y: usize, outH: i32, outW: i32, w: usize, panel: usize, count: i32, x: usize, xRow: usize, table: usize, plane: usize, steps: i32): void {
  if (kind == SHORT_32) tiles(SHORT_32, y, outH, outW, w, panel, count, x, xRow, table, plane, steps);
  else if (kind == SHORT_40) tiles(SHORT_40, y, outH, outW, w, panel, count, x, xRow, table, plane, steps);
  else if (kind == SHORT_48) tiles(SHORT_48, y, outH, outW, w, panel, count, x, xRow, table, plane, steps);
  else if (kind == SHORT_62) tiles(SHORT_62, y, outH, outW, w, panel, count, x, xRow, table, plane, steps);
  else if (kind == FULL_32) tiles(FULL_32, y, outH, outW, w, panel, count, x, xRow, table, plane, steps);
  else if (kind == FULL_40) tiles(FULL_40, y, outH, outW, w, panel, count, x, xRow, table, plane, steps);
  else tiles(FULL_48, y, outH, outW, w, panel, count, x, xRow, table, plane, steps);
}
