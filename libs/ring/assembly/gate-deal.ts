import {
  BLOCK_BYTES, CHAIN_CHUNKS, CHAIN_FROM, CHAIN_M, CHAIN_PRODUCTS, CHAIN_SENT, FUNCTION, HIGH, LOW, MASKS, MODULUS,
  OPENED_ROWS, RHO, SB, SCRATCH, SCRATCH_PRODUCTS, SCRATCH_SUMS, SCRATCH_WORDS, SELECT_ROWS, SHIFT, SU, TOP, WIDTH, WORDS, field,
} from "./gate-layout";
import { elementMasks, pairMask } from "./gate-masks";
import { gateSlice } from "./gate-slice";

/** P1's share of the row at `offset` of a block: value xor P0's. */
@inline function correct(out: usize, p0: usize, offset: i32, value: v128): void {
  v128.store(out + offset, v128.xor(value, v128.load(p0 + offset)));
}

/** Tables T[v] = (v < rho) of one chain by doubling, one operation per row; rho are the chain's bits of r. */
function dealTables(chain: usize, bits: usize, p0: usize, out: usize, table: usize): void {
  const m = field(chain, CHAIN_M);
  let row = bits + (field(chain, CHAIN_FROM) << 4);
  for (let j = 0; j < m; j++) {
    const t = load<i32>(chain + CHAIN_CHUNKS + (j << 3)), offset = load<i32>(chain + CHAIN_CHUNKS + (j << 3), 4);
    v128.store(table, v128.load(row));
    v128.store(table, i32x4.splat(0), 16);
    for (let k = 1; k < t; k++) {
      const h = v128.load(row + (k << 4));
      const size = 1 << k;
      for (let v = 0; v < size; v++) {
        const lower = v128.load(table + (v << 4));
        v128.store(table + (v << 4), v128.or(h, lower));
        v128.store(table + ((v + size) << 4), v128.and(h, lower));
      }
    }
    for (let v = 0; v < (1 << t) - 1; v++) correct(out, p0, offset + (v << 4), v128.load(table + (v << 4)));
    row += <usize>(t << 4);
  }
}

/** Masks of one chain's opened bits and the products within the chain. drawn: the masks in sending order. */
function dealProducts(chain: usize, drawn: usize, p0: usize, out: usize, product: usize): void {
  const m = field(chain, CHAIN_M);
  if (m < 2) return;
  drawn += <usize>field(chain, CHAIN_SENT);
  const e = chain + CHAIN_PRODUCTS;
  v128.store(product, i32x4.splat(-1));
  for (let k = 0; k < m - 1; k++) {
    const eq = v128.load(drawn + ((m - 1 + m - 2 - k) << 4)); // eq_(m-1-k)
    const size = 1 << k;
    for (let s = 0; s < size; s++) {
      const value = v128.and(v128.load(product + (s << 4)), eq);
      v128.store(product + ((s + size) << 4), value);
      correct(out, p0, load<i32>(e + ((s + size) << 2)), value);
    }
  }
  let l = e + ((<usize>4) << (<usize>(m - 1)));
  for (let j = 0; j < m - 1; j++) {
    const lt = v128.load(drawn + (j << 4));
    const size = 1 << (m - 1 - j);
    for (let s = 0; s < size; s++) correct(out, p0, load<i32>(l + (s << 2)), v128.and(lt, v128.load(product + (s << 4))));
    l += <usize>(size << 2);
  }
}

/** P1's share of two values modulo 2^modulus, with that of `rho` above it where rho is packed. */
@inline function words(out: usize, p0: usize, value: v128, mode: i32, modulus: i32, low: v128, rho: v128): void {
  const s0 = v128.load(p0);
  let share = i64x2.sub(value, s0);
  if (mode == 1) {
    const above = i64x2.shl(i64x2.sub(rho, i64x2.shr_u(s0, modulus)), modulus);
    share = v128.or(v128.and(share, low), above);
  }
  v128.store(out, share);
}

/** The additive words of a block: s_b, C, s_b C (each for u = 0 and 1 where there is a u), then rho, s_b rho where they are apart. */
function dealWords(spec: usize, r: usize, sb: usize, su: usize, p0: usize, out: usize): void {
  const shift = field(spec, SHIFT), modulus = field(spec, MODULUS), top = field(spec, WIDTH) - 1;
  const relu = field(spec, FUNCTION) == 0, mode = field(spec, RHO), two = shift > 0;
  const low = i64x2.splat(mode == 1 ? ((<i64>1) << (<i64>modulus)) - 1 : -1);
  const zero = i64x2.splat(0);
  const b = relu ? v128.load(sb) : zero, u = two ? v128.load(su) : zero;
  const c = <usize>(relu ? 1024 : 0), kinds = <usize>(two ? 2048 : 1024), g = c + kinds, apart = relu ? g + kinds : g;
  for (let i = 0; i < 16; i++) {
    const bm = elementMasks(b, i), um = elementMasks(u, i);
    for (let k = 0; k < 4; k++) {
      const value = v128.load(r);
      const R = i64x2.shr_u(value, shift), rho = i64x2.shr_u(value, top);
      const bk = pairMask(bm, k), uk = pairMask(um, k), brho = v128.and(rho, bk);
      const c0 = i64x2.sub(R, uk);
      words(out + c, p0 + c, c0, mode, modulus, low, rho);
      if (two) words(out + c + 1024, p0 + c + 1024, i64x2.add(R, uk), mode, modulus, low, rho);
      if (relu) {
        v128.store(out, i64x2.sub(i64x2.neg(bk), v128.load(p0)));
        words(out + g, p0 + g, v128.and(c0, bk), mode, modulus, low, brho);
        if (two) words(out + g + 1024, p0 + g + 1024, v128.and(i64x2.add(R, uk), bk), mode, modulus, low, brho);
      }
      if (mode == 2) {
        v128.store(out + apart, i64x2.sub(rho, v128.load(p0 + apart)));
        if (relu) v128.store(out + apart, i64x2.sub(brho, v128.load(p0 + apart, 1024)), 1024);
      }
      r += 16;
      p0 += 16;
      out += 16;
    }
  }
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
  const high = <usize>field(spec, HIGH), lower = <usize>field(spec, LOW);
  for (let n = 0; n < count; n++) {
    for (let i: usize = 0; i < 1024; i += 16) {
      v128.store(sum + i, v128.and(i64x2.add(v128.load(r0 + i), v128.load(r1 + i)), keep));
    }
    gateSlice(sum, scratch, width, -1);
    const sb = drawn + opened, su = drawn + drawnBytes - 16;
    if (relu) {
      dealTables(high, scratch, p0, out, scratch + SCRATCH_SUMS);
      dealProducts(high, drawn, p0, out, scratch + SCRATCH_PRODUCTS);
      correct(out, p0, field(spec, TOP), v128.load(scratch + ((width - 1) << 4)));
      correct(out, p0, field(spec, SB), v128.load(sb));
    }
    if (low) {
      dealTables(lower, scratch, p0, out, scratch + SCRATCH_SUMS);
      dealProducts(lower, drawn, p0, out, scratch + SCRATCH_PRODUCTS);
      correct(out, p0, field(spec, SU), v128.load(su));
    }
    dealWords(spec, sum, sb, su, p0 + field(spec, WORDS), out + field(spec, WORDS));
    r0 += 1024;
    r1 += 1024;
    p0 += field(spec, BLOCK_BYTES);
    out += field(spec, BLOCK_BYTES);
    drawn += drawnBytes;
  }
}
