import {
  BLOCK_BYTES, FUNCTION, MODULUS, PARTY, RHO, SELECT_ROWS, SHIFT, WIDTH, WORDS_BYTES, begins, field, groupSize,
} from "./gate-layout";
import { fetch } from "./memory";
import { elementMasks, firstFour, firstTwo, lastFour, lastTwo } from "./gate-masks";

/**
 * The share of C (or of s_b C) with the wrap undone: rho << (w-g) is taken off where bit w-1 of X is 0.
 * wrap: ones from bit w-g up where it is. Packed rho lies above the modulus, `above` bits over its place.
 */
@inline function unwrap(c: v128, mode: i32, separate: usize, wrap: v128, top: i32, above: i32): v128 {
  if (mode == 0) return c;
  if (mode == 1) return i64x2.sub(c, v128.and(i64x2.shr_u(c, above), wrap));
  return i64x2.sub(c, v128.and(i64x2.shl(v128.load(separate), top), wrap));
}

/** z of two elements of a ReLU (step 6). a: words of the pair of the first kind; bm, um: bhat and uhat as masks; p0: ones at P0. */
@inline function reluPair(
  two: bool, mode: i32, x: v128, a: usize, bm: v128, um: v128, p0: v128, ones: v128, shift: i32, last: i32, top: i32, above: i32,
): v128 {
  const q = two ? i64x2.add(i64x2.shr_u(x, shift), um) : x;
  let c = v128.load(a, 64), g: v128;
  if (two) {
    c = v128.bitselect(v128.load(a, 128), c, um);
    g = v128.bitselect(v128.load(a, 256), v128.load(a, 192), um);
  } else g = v128.load(a, 128);
  if (mode != 0) {
    const wrap = v128.and(i64x2.add(i64x2.shr_u(x, last), i64x2.splat(-1)), ones);
    c = unwrap(c, mode, a + (two ? 320 : 192), wrap, top, above);
    g = unwrap(g, mode, a + (two ? 384 : 256), wrap, top, above);
  }
  const t = i64x2.sub(i64x2.mul(q, v128.load(a)), g);
  // (1 - 2 b) t = (t xor -b) + b
  const rest = i64x2.sub(i64x2.sub(v128.and(q, p0), i64x2.splat(-1)), c);
  return i64x2.add(v128.xor(t, bm), v128.and(rest, bm));
}

/** z of two elements of a truncation; offset: 2^(w-2-g) at P0. */
@inline function truncatePair(
  mode: i32, x: v128, a: usize, um: v128, p0: v128, offset: v128, ones: v128, shift: i32, last: i32, top: i32, above: i32,
): v128 {
  let c = v128.bitselect(v128.load(a, 64), v128.load(a), um);
  if (mode != 0) {
    const wrap = v128.and(i64x2.add(i64x2.shr_u(x, last), i64x2.splat(-1)), ones);
    c = unwrap(c, mode, a + 128, wrap, top, above);
  }
  const q = i64x2.sub(i64x2.add(i64x2.shr_u(x, shift), um), offset);
  return i64x2.sub(v128.and(q, p0), c);
}

/** One block. two: a gate that cuts bits; mode: where rho is. Both constant where this is called. */
@inline function selectBlock(
  relu: bool, two: bool, mode: i32, spec: usize, x: usize, a: usize, b: v128, u: v128, z: usize,
): void {
  const shift = field(spec, SHIFT), width = field(spec, WIDTH), top = width - shift, last = width - 1;
  const above = field(spec, MODULUS) - top;
  // Eight elements of each kind lie side by side.
  const record: usize = ((relu ? (two ? 5 : 3) : 2) + (mode == 2 ? (relu ? 2 : 1) : 0)) * 64;
  const p0 = i64x2.splat(field(spec, PARTY) == 0 ? -1 : 0);
  const ones = i64x2.splat(mode == 0 ? 0 : (<i64>-1) << (<i64>top));
  const offset = i64x2.splat(relu ? 0 : (<i64>1) << (<i64>(top - 2)));
  for (let i = 0; i < 16; i++) {
    const bm = elementMasks(b, i), um = elementMasks(u, i);
    const b0 = firstFour(bm), b1 = lastFour(bm), u0 = firstFour(um), u1 = lastFour(um);
    if (relu) {
      v128.store(z, reluPair(two, mode, v128.load(x), a, firstTwo(b0), firstTwo(u0), p0, ones, shift, last, top, above));
      v128.store(z, reluPair(two, mode, v128.load(x, 16), a + 16, lastTwo(b0), lastTwo(u0), p0, ones, shift, last, top, above), 16);
      v128.store(z, reluPair(two, mode, v128.load(x, 32), a + 32, firstTwo(b1), firstTwo(u1), p0, ones, shift, last, top, above), 32);
      v128.store(z, reluPair(two, mode, v128.load(x, 48), a + 48, lastTwo(b1), lastTwo(u1), p0, ones, shift, last, top, above), 48);
    } else {
      v128.store(z, truncatePair(mode, v128.load(x), a, firstTwo(u0), p0, offset, ones, shift, last, top, above));
      v128.store(z, truncatePair(mode, v128.load(x, 16), a + 16, lastTwo(u0), p0, offset, ones, shift, last, top, above), 16);
      v128.store(z, truncatePair(mode, v128.load(x, 32), a + 32, firstTwo(u1), p0, offset, ones, shift, last, top, above), 32);
      v128.store(z, truncatePair(mode, v128.load(x, 48), a + 48, lastTwo(u1), p0, offset, ones, shift, last, top, above), 48);
    }
    x += 64;
    a += record;
    z += 64;
  }
}

/**
 * Step 6 of the gate: this party's shares of z (words, modulo 2^modulus) for all blocks.
 * x: opened words; own, peer: the rows of step 5.
 */
export function gateSelect(spec: usize, x: usize, blocks: usize, own: usize, peer: usize, z: usize, count: i32): void {
  const relu = field(spec, FUNCTION) == 0, two = field(spec, SHIFT) > 0, mode = field(spec, RHO);
  const rowBytes = <usize>field(spec, SELECT_ROWS) << 4;
  const blockBytes = <usize>field(spec, BLOCK_BYTES), bytes = <usize>field(spec, WORDS_BYTES);
  let a: usize = 0;
  for (let n = 0; n < count; n++) {
    if (begins(n)) {
      const size = groupSize(n, count);
      blocks += size * blockBytes;
      a = blocks - size * bytes;
      fetch(a, size * bytes, <u32>count * <u32>blockBytes);
    }
    const b = v128.xor(v128.load(own), v128.load(peer));
    const u = v128.xor(v128.load(own + rowBytes - 16), v128.load(peer + rowBytes - 16));
    if (!relu) {
      if (mode == 0) selectBlock(false, true, 0, spec, x, a, b, u, z);
      else if (mode == 1) selectBlock(false, true, 1, spec, x, a, b, u, z);
      else selectBlock(false, true, 2, spec, x, a, b, u, z);
    } else if (two) {
      if (mode == 0) selectBlock(true, true, 0, spec, x, a, b, u, z);
      else if (mode == 1) selectBlock(true, true, 1, spec, x, a, b, u, z);
      else selectBlock(true, true, 2, spec, x, a, b, u, z);
    } else {
      if (mode == 0) selectBlock(true, false, 0, spec, x, a, b, u, z);
      else if (mode == 1) selectBlock(true, false, 1, spec, x, a, b, u, z);
      else selectBlock(true, false, 2, spec, x, a, b, u, z);
    }
    x += 1024;
    a += bytes;
    z += 1024;
    own += rowBytes;
    peer += rowBytes;
  }
}
