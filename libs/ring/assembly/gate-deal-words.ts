import { FUNCTION, MODULUS, RHO, SHIFT, WIDTH, field } from "./gate-layout";
import { elementMasks, firstFour, firstTwo, lastFour, lastTwo } from "./gate-masks";

/** P1's share of two values modulo 2^modulus, with that of `rho` above it where rho is packed. */
@inline function words(mode: i32, out: usize, p0: usize, value: v128, rho: v128, modulus: i32, low: v128): void {
  const s0 = v128.load(p0);
  // Taking off s0 with `low` cleared takes off its upper part alone: no borrow passes into it, nor from it.
  if (mode == 1) {
    const above = i64x2.sub(i64x2.shl(rho, modulus), v128.andnot(s0, low));
    v128.store(out, v128.bitselect(i64x2.sub(value, s0), above, low));
  } else v128.store(out, i64x2.sub(value, s0));
}

/** Two elements. p0, out: of the first kind; the others follow at 64 bytes each. bm, um: s_b and s_u as masks. */
@inline function pair(
  relu: bool, two: bool, mode: i32, value: v128, bm: v128, um: v128, p0: usize, out: usize, shift: i32, top: i32,
  modulus: i32, low: v128,
): void {
  const C: usize = relu ? 64 : 0, G: usize = C + (two ? 128 : 64), RHO_AT: usize = relu ? G + (two ? 128 : 64) : G;
  const R = two ? i64x2.shr_u(value, shift) : value;
  const rho = mode == 0 ? value : i64x2.shr_u(value, top), brho = v128.and(rho, bm);
  const c0 = two ? i64x2.sub(R, um) : R, c1 = i64x2.add(R, um);
  words(mode, out + C, p0 + C, c0, rho, modulus, low);
  if (two) words(mode, out + C + 64, p0 + C + 64, c1, rho, modulus, low);
  if (relu) {
    v128.store(out, i64x2.sub(i64x2.neg(bm), v128.load(p0)));
    words(mode, out + G, p0 + G, v128.and(c0, bm), brho, modulus, low);
    if (two) words(mode, out + G + 64, p0 + G + 64, v128.and(c1, bm), brho, modulus, low);
  }
  if (mode == 2) {
    v128.store(out + RHO_AT, i64x2.sub(rho, v128.load(p0 + RHO_AT)));
    if (relu) v128.store(out + RHO_AT + 64, i64x2.sub(brho, v128.load(p0 + RHO_AT + 64)));
  }
}

@inline function block(relu: bool, two: bool, mode: i32, spec: usize, r: usize, b: v128, u: v128, p0: usize, out: usize): void {
  const shift = field(spec, SHIFT), modulus = field(spec, MODULUS), top = field(spec, WIDTH) - 1;
  const record: usize = ((relu ? (two ? 5 : 3) : 2) + (mode == 2 ? (relu ? 2 : 1) : 0)) * 64;
  const low = i64x2.splat(mode == 1 ? ((<i64>1) << (<i64>modulus)) - 1 : -1);
  for (let i = 0; i < 16; i++) {
    const bm = elementMasks(b, i), um = elementMasks(u, i);
    const b0 = firstFour(bm), b1 = lastFour(bm), u0 = firstFour(um), u1 = lastFour(um);
    pair(relu, two, mode, v128.load(r), firstTwo(b0), firstTwo(u0), p0, out, shift, top, modulus, low);
    pair(relu, two, mode, v128.load(r, 16), lastTwo(b0), lastTwo(u0), p0 + 16, out + 16, shift, top, modulus, low);
    pair(relu, two, mode, v128.load(r, 32), firstTwo(b1), firstTwo(u1), p0 + 32, out + 32, shift, top, modulus, low);
    pair(relu, two, mode, v128.load(r, 48), lastTwo(b1), lastTwo(u1), p0 + 48, out + 48, shift, top, modulus, low);
    r += 64;
    p0 += record;
    out += record;
  }
}

/** The additive words of a block: s_b, C, s_b C (each for u = 0 and 1 where there is a u), then rho, s_b rho where they are apart. */
export function dealWords(spec: usize, r: usize, sb: usize, su: usize, p0: usize, out: usize): void {
  const relu = field(spec, FUNCTION) == 0, two = field(spec, SHIFT) > 0, mode = field(spec, RHO);
  const b = v128.load(sb), u = v128.load(su);
  if (!relu) {
    if (mode == 0) block(false, true, 0, spec, r, b, u, p0, out);
    else if (mode == 1) block(false, true, 1, spec, r, b, u, p0, out);
    else block(false, true, 2, spec, r, b, u, p0, out);
  } else if (two) {
    if (mode == 0) block(true, true, 0, spec, r, b, u, p0, out);
    else if (mode == 1) block(true, true, 1, spec, r, b, u, p0, out);
    else block(true, true, 2, spec, r, b, u, p0, out);
  } else {
    if (mode == 0) block(true, false, 0, spec, r, b, u, p0, out);
    else if (mode == 1) block(true, false, 1, spec, r, b, u, p0, out);
    else block(true, false, 2, spec, r, b, u, p0, out);
  }
}
