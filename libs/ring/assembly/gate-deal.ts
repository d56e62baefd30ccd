import {
  BLOCK_BYTES, CHAIN_CHUNKS, CHAIN_FROM, CHAIN_M, CHAIN_MASKS, CHAIN_PRODUCTS, CHAIN_SENT, CHAIN_TABLES, FOLD_BYTES, FUNCTION,
  HIGH, LOOK_UP_BYTES, LOW, OPENED_ROWS, SB, SCRATCH, SCRATCH_WORDS, SELECT_ROWS, SHIFT, SU, TOP, WIDTH, WORDS_BYTES, begins,
  field, groupSize,
} from "./gate-layout";
import { dealWords } from "./gate-deal-words";
import { gateSlice } from "./gate-slice";
import {
  dealMasks2, dealMasks3, dealMasks4, dealMasks5, dealMasks6, dealMasks7, dealMasks8, dealProducts2, dealProducts3,
  dealProducts4, dealProducts5, dealProducts6, dealProducts7, dealProducts8, dealTable1, dealTable2, dealTable3, dealTable4,
  dealTable5, dealTable6, dealTable7, dealTable8,
} from "../build/unrolled";

/** P1's share of the row at `offset` of a block: value xor P0's. */
@inline function correct(out: usize, p0: usize, offset: usize, value: v128): void {
  v128.store(out + offset, v128.xor(value, v128.load(p0 + offset)));
}

/** Of public t. */
function dealTable(t: i32, r: usize, p0: usize, out: usize): void {
  if (t == 6) dealTable6(r, p0, out);
  else if (t == 5) dealTable5(r, p0, out);
  else if (t == 4) dealTable4(r, p0, out);
  else if (t == 3) dealTable3(r, p0, out);
  else if (t == 7) dealTable7(r, p0, out);
  else if (t == 2) dealTable2(r, p0, out);
  else if (t == 1) dealTable1(r, p0, out);
  else dealTable8(r, p0, out);
}

/** Of public m. */
function dealMasks(m: i32, drawn: usize, p0: usize, out: usize): void {
  if (m == 4) dealMasks4(drawn, p0, out);
  else if (m == 5) dealMasks5(drawn, p0, out);
  else if (m == 6) dealMasks6(drawn, p0, out);
  else if (m == 8) dealMasks8(drawn, p0, out);
  else if (m == 7) dealMasks7(drawn, p0, out);
  else if (m == 3) dealMasks3(drawn, p0, out);
  else if (m == 2) dealMasks2(drawn, p0, out);
}

/** Of public m. */
function dealProducts(m: i32, drawn: usize, p0: usize, out: usize): void {
  if (m == 4) dealProducts4(drawn, p0, out);
  else if (m == 5) dealProducts5(drawn, p0, out);
  else if (m == 6) dealProducts6(drawn, p0, out);
  else if (m == 8) dealProducts8(drawn, p0, out);
  else if (m == 7) dealProducts7(drawn, p0, out);
  else if (m == 3) dealProducts3(drawn, p0, out);
  else if (m == 2) dealProducts2(drawn, p0, out);
}

/**
 * Tables, masks and products of one chain. r: rows of r's bits; drawn: the masks in sending order; look, fold: where the rows of
 * the block's look-ups and folds are.
 */
function dealChain(chain: usize, r: usize, drawn: usize, p0: usize, out: usize, look: usize, fold: usize): void {
  const m = field(chain, CHAIN_M);
  let row = r + (field(chain, CHAIN_FROM) << 4);
  let table = look + field(chain, CHAIN_TABLES), chunk = chain + CHAIN_CHUNKS;
  for (let j = 0; j < m; j++) {
    const t = load<i32>(chunk);
    dealTable(t, row, p0 + table, out + table);
    row += <usize>(t << 4);
    table += ((<usize>16) << (<usize>t)) - 16;
    chunk += 4;
  }
  drawn += <usize>field(chain, CHAIN_SENT);
  const masks = look + field(chain, CHAIN_MASKS), products = fold + field(chain, CHAIN_PRODUCTS);
  dealMasks(m, drawn, p0 + masks, out + masks);
  dealProducts(m, drawn, p0 + products, out + products);
}

/**
 * The dealer's side of a gate: P1's blocks, from r = r0 + r1 mod 2^width, P0's blocks and the drawn rows (per block the
 * masks in sending order, then s_b, s_u as the gate has them).
 */
export function gateDeal(spec: usize, r0: usize, r1: usize, p0: usize, drawn: usize, out: usize, count: i32): void {
  const scratch = <usize>field(spec, SCRATCH), sum = scratch + SCRATCH_WORDS;
  const width = field(spec, WIDTH), relu = field(spec, FUNCTION) == 0, low = field(spec, SHIFT) > 0;
  const keep = i64x2.splat(((<i64>1) << (<i64>width)) - 1);
  const opened = <usize>field(spec, OPENED_ROWS) << 4, drawnBytes = opened + (<usize>field(spec, SELECT_ROWS) << 4);
  const high = <usize>field(spec, HIGH), lower = <usize>field(spec, LOW), blockBytes = <usize>field(spec, BLOCK_BYTES);
  const lookUpBytes = <usize>field(spec, LOOK_UP_BYTES), foldBytes = <usize>field(spec, FOLD_BYTES);
  let group: usize = 0, look: usize = 0, fold: usize = 0, words: usize = 0; // from the start of the blocks
  for (let n = 0; n < count; n++) {
    if (begins(n)) {
      const size = groupSize(n, count);
      look = group;
      fold = look + size * lookUpBytes;
      words = fold + size * foldBytes;
      group += size * blockBytes;
    }
    for (let i: usize = 0; i < 1024; i += 64) {
      v128.store(sum + i, v128.and(i64x2.add(v128.load(r0 + i), v128.load(r1 + i)), keep));
      v128.store(sum + i, v128.and(i64x2.add(v128.load(r0 + i, 16), v128.load(r1 + i, 16)), keep), 16);
      v128.store(sum + i, v128.and(i64x2.add(v128.load(r0 + i, 32), v128.load(r1 + i, 32)), keep), 32);
      v128.store(sum + i, v128.and(i64x2.add(v128.load(r0 + i, 48), v128.load(r1 + i, 48)), keep), 48);
    }
    gateSlice(sum, scratch, width, -1);
    const sb = drawn + opened, su = drawn + drawnBytes - 16;
    if (relu) {
      dealChain(high, scratch, drawn, p0, out, look, fold);
      correct(out, p0, look + field(spec, TOP), v128.load(scratch + ((width - 1) << 4)));
      correct(out, p0, fold + field(spec, SB), v128.load(sb));
    }
    if (low) {
      dealChain(lower, scratch, drawn, p0, out, look, fold);
      correct(out, p0, fold + field(spec, SU), v128.load(su));
    }
    dealWords(spec, sum, sb, su, p0 + words, out + words);
    r0 += 1024;
    r1 += 1024;
    look += lookUpBytes;
    fold += foldBytes;
    words += <usize>field(spec, WORDS_BYTES);
    drawn += drawnBytes;
  }
}
