import {
  BLOCK_BYTES, CHAIN_CHUNKS, CHAIN_FROM, CHAIN_M, CHAIN_PRODUCTS, CHAIN_SENT, FUNCTION, HIGH, LOW, MASKS, MODULUS,
  OPENED_ROWS, RHO, SB, SCRATCH, SCRATCH_PRODUCTS, SCRATCH_SUMS, SCRATCH_WORDS, SELECT_ROWS, SHIFT, SU, TOP, WIDTH, WORDS, field,
} from "./gate-layout";
import { gateSlice } from "./gate-slice";

/** P1's share of the row at `offset` of a block: value xor P0's. */
// @ts-ignore: decorator
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

/** One element's bit of a row as a mask: element 8 i + l is bit 16 l + i. */
// @ts-ignore: decorator
@inline function maskOf(row: usize, element: i32): u64 {
  const bit = (load<u16>(row + ((element & 7) << 1)) >> <u16>(element >> 3)) & 1;
  return 0 - <u64>bit;
}

/** P1's share of a value modulo 2^modulus, with the share of `rho` above it where rho is packed. */
// @ts-ignore: decorator
@inline function word(out: usize, p0: usize, value: u64, packed: bool, modulus: u64, rho: u64): void {
  const s0 = load<u64>(p0);
  if (!packed) {
    store<u64>(out, value - s0);
    return;
  }
  const low = ((<u64>1) << modulus) - 1;
  store<u64>(out, ((value - s0) & low) | ((rho - (s0 >> modulus)) << modulus));
}

function dealWords(spec: usize, r: usize, sb: usize, su: usize, p0: usize, out: usize): void {
  const shift = <u64>field(spec, SHIFT), modulus = <u64>field(spec, MODULUS), top = <u64>(field(spec, WIDTH) - 1);
  const relu = field(spec, FUNCTION) == 0, mode = field(spec, RHO), packed = mode == 1;
  for (let n = 0; n < 128; n++) {
    const value = load<u64>(r + (n << 3));
    const R = value >> shift, rho = value >> top;
    const sbMask = relu ? maskOf(sb, n) : 0, suMask = shift > 0 ? maskOf(su, n) : 0;
    let at = <usize>(n << 3);
    if (relu) {
      store<u64>(out + at, (0 - sbMask) - load<u64>(p0 + at));
      at += 1024;
    }
    word(out + at, p0 + at, R - suMask, packed, modulus, rho);
    at += 1024;
    if (shift > 0) {
      word(out + at, p0 + at, R + suMask, packed, modulus, rho);
      at += 1024;
    }
    if (relu) {
      word(out + at, p0 + at, (R - suMask) & sbMask, packed, modulus, rho & sbMask);
      at += 1024;
      if (shift > 0) {
        word(out + at, p0 + at, (R + suMask) & sbMask, packed, modulus, rho & sbMask);
        at += 1024;
      }
    }
    if (mode == 2) {
      store<u64>(out + at, rho - load<u64>(p0 + at));
      if (relu) store<u64>(out + at + 1024, (rho & sbMask) - load<u64>(p0 + at + 1024));
    }
  }
}

/**
 * The dealer's side of a gate: P1's blocks, from r = r0 + r1 mod 2^width, P0's blocks and the drawn rows (per block the
 * masks in sending order, then s_b, s_u as the gate has them).
 */
export function gateDeal(spec: usize, r0: usize, r1: usize, p0: usize, drawn: usize, out: usize, count: i32): void {
  const scratch = <usize>field(spec, SCRATCH), words = scratch + SCRATCH_WORDS;
  const width = field(spec, WIDTH), relu = field(spec, FUNCTION) == 0, low = field(spec, SHIFT) > 0;
  const keep = i64x2.splat(((<i64>1) << (<i64>width)) - 1);
  const opened = <usize>field(spec, OPENED_ROWS) << 4, drawnBytes = opened + (<usize>field(spec, SELECT_ROWS) << 4);
  const high = <usize>field(spec, HIGH), lower = <usize>field(spec, LOW);
  for (let n = 0; n < count; n++) {
    for (let i: usize = 0; i < 1024; i += 16) {
      v128.store(words + i, v128.and(i64x2.add(v128.load(r0 + i), v128.load(r1 + i)), keep));
    }
    gateSlice(words, scratch, width, -1);
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
    dealWords(spec, words, sb, su, p0 + field(spec, WORDS), out + field(spec, WORDS));
    r0 += 1024;
    r1 += 1024;
    p0 += field(spec, BLOCK_BYTES);
    out += field(spec, BLOCK_BYTES);
    drawn += drawnBytes;
  }
}
