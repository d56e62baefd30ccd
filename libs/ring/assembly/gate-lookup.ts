import {
  BLOCK_BYTES, CHAIN_CHUNKS, CHAIN_FROM, CHAIN_M, CHAIN_SENT, FUNCTION, HIGH, LOW, MASKS, OPENED_ROWS, PARTY, SCRATCH,
  SCRATCH_SUMS, SHIFT, TOP, WIDTH, constantOne, field,
} from "./gate-layout";
import { gateSlice } from "./gate-slice";

@inline function pick(a: v128, b: v128, c: v128): v128 {
  return v128.xor(a, v128.and(c, v128.xor(a, b)));
}

/** table[k] & ind_0 ^ table[k + stride] & ind_1 ^ .. over `terms` indicators, from the k-th row. */
@inline function sum7(p: usize, stride: usize, i0: v128, i1: v128, i2: v128, i3: v128, i4: v128, i5: v128, i6: v128): v128 {
  let s = v128.and(v128.load(p), i0);
  s = v128.xor(s, v128.and(v128.load(p + stride), i1));
  s = v128.xor(s, v128.and(v128.load(p + 2 * stride), i2));
  s = v128.xor(s, v128.and(v128.load(p + 3 * stride), i3));
  s = v128.xor(s, v128.and(v128.load(p + 4 * stride), i4));
  s = v128.xor(s, v128.and(v128.load(p + 5 * stride), i5));
  return v128.xor(s, v128.and(v128.load(p + 6 * stride), i6));
}

/** Binary tree over 2^depth rows: the row whose number the bits c (lowest first) spell. Overwrites the rows. */
function tree(rows: usize, c: usize, depth: i32): v128 {
  for (let k = 0, size = 1 << depth; k < depth; k++) {
    size >>= 1;
    const bit = v128.load(c + (k << 4));
    for (let i = 0; i < size; i++) {
      v128.store(rows + (i << 4), pick(v128.load(rows + (i << 5)), v128.load(rows + (i << 5), 16), bit));
    }
  }
  return v128.load(rows);
}

/**
 * T[c] and T[c - 1] of a table of 2^t - 1 rows for the public chunk c, whose t bit rows start at `c` (lowest first):
 * T[2^t - 1] = 0, T[-1] = one. Writes both to out and out + 16. The addresses depend on t alone.
 */
function lookUp(table: usize, c: usize, t: i32, one: v128, scratch: usize, out: usize): void {
  if (t == 1) {
    const bit = v128.load(c), row = v128.load(table);
    v128.store(out, v128.andnot(row, bit));
    v128.store(out, pick(one, row, bit), 16);
    return;
  }
  if (t == 2) {
    const low = v128.load(c), high = v128.load(c, 16);
    const t0 = v128.load(table), t1 = v128.load(table, 16), t2 = v128.load(table, 32);
    v128.store(out, pick(pick(t0, t1, low), v128.andnot(t2, low), high));
    v128.store(out, pick(pick(one, t0, low), pick(t1, t2, low), high), 16);
    return;
  }
  const depth = t - 3;
  const c0 = v128.load(c + (depth << 4)), c1 = v128.load(c + (depth << 4), 16), c2 = v128.load(c + (depth << 4), 32);
  const n01 = v128.not(v128.or(c0, c1)), p01 = v128.and(c0, c1), o0 = v128.andnot(c0, c1), o1 = v128.andnot(c1, c0);
  const i0 = v128.andnot(n01, c2), i1 = v128.andnot(o0, c2), i2 = v128.andnot(o1, c2), i3 = v128.andnot(p01, c2);
  const i4 = v128.and(n01, c2), i5 = v128.and(o0, c2), i6 = v128.and(o1, c2), i7 = v128.and(p01, c2);
  const size = 1 << depth, stride = (<usize>16) << (<usize>depth);
  const below = scratch, here = scratch + 640; // S_-1 .. S_(size-2) and S_0 .. S_(size-1)
  // S_-1: one for the first indicator, then the rows before each eighth of the table
  v128.store(below, v128.xor(v128.and(one, i0), sum7(table + stride - 16, stride, i1, i2, i3, i4, i5, i6, i7)));
  for (let l = 0; l < size - 1; l++) {
    const row = table + (l << 4);
    const s = v128.xor(sum7(row, stride, i0, i1, i2, i3, i4, i5, i6), v128.and(v128.load(row + 7 * stride), i7));
    v128.store(here + (l << 4), s);
    v128.store(below + (l << 4), s, 16);
  }
  v128.store(here + ((size - 1) << 4), sum7(table + stride - 16, stride, i0, i1, i2, i3, i4, i5, i6));
  v128.store(out, tree(here, c, depth));
  v128.store(out, tree(below, c, depth), 16);
}

/** Look-ups of one chain of one block: writes the sent rows, returns the share of lt_(m-1). */
function lookUpChain(chain: usize, block: usize, masks: usize, bits: usize, sent: usize, one: v128, scratch: usize): v128 {
  const m = field(chain, CHAIN_M);
  let c = bits + (field(chain, CHAIN_FROM) << 4);
  const first = <usize>field(chain, CHAIN_SENT);
  const out = scratch + 1280;
  for (let j = 0; j < m; j++) {
    const chunk = chain + CHAIN_CHUNKS + (j << 3);
    const t = load<i32>(chunk);
    lookUp(block + load<i32>(chunk, 4), c, t, one, scratch, out);
    c += <usize>(t << 4);
    const lt = v128.load(out);
    if (j < m - 1) {
      const at = first + (j << 4);
      v128.store(sent + at, v128.xor(lt, v128.load(masks + at)));
    }
    if (j > 0) {
      const at = first + ((m - 1 + j - 1) << 4);
      v128.store(sent + at, v128.xor(v128.xor(lt, v128.load(out, 16)), v128.load(masks + at)));
    }
  }
  return v128.load(out);
}

/**
 * Step 2 of the gate and this party's share of the opening of step 3, for all blocks.
 * x: opened words; blocks: correlations; sent: openedRows rows per block; state: two rows per block that gateFold needs.
 */
export function gateLookUp(spec: usize, x: usize, blocks: usize, sent: usize, state: usize, count: i32): void {
  const scratch = <usize>field(spec, SCRATCH), sums = scratch + SCRATCH_SUMS;
  const width = field(spec, WIDTH), shift = field(spec, SHIFT), relu = field(spec, FUNCTION) == 0;
  const one = constantOne(field(spec, PARTY));
  const sentBytes = <usize>field(spec, OPENED_ROWS) << 4;
  const high = <usize>field(spec, HIGH), low = <usize>field(spec, LOW);
  for (let n = 0; n < count; n++) {
    gateSlice(x, scratch, width, relu && shift > 0 ? shift : -1);
    const masks = blocks + field(spec, MASKS);
    if (relu) {
      const lt = lookUpChain(high, blocks, masks, scratch, sent, one, sums);
      const top = v128.xor(lt, v128.load(blocks + field(spec, TOP)));
      v128.store(state, v128.xor(top, v128.andnot(one, v128.load(scratch + ((width - 1) << 4)))));
    }
    if (shift > 0) v128.store(state, lookUpChain(low, blocks, masks, scratch, sent, one, sums), 16);
    x += 1024;
    blocks += field(spec, BLOCK_BYTES);
    sent += sentBytes;
    state += 32;
  }
}
