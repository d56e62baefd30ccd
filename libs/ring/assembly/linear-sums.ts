// Sums of products of limbs for two rows of weights: with one vector of inputs (dense, sums over all lanes) or with four
// neighbouring columns (convolution, a sum per lane). Each kernel passes constants for `conv` and `kind`: unused branches
// and sums vanish. What counts modulo 2^32 or less wraps; docs/decisions/0012 has the bounds of the rest.

/** Weight limbs x input limbs; src/linear-scheme.ts has the same numbers. */
export const SHORT_32: i32 = 0;
export const SHORT_40: i32 = 1;
export const SHORT_48: i32 = 2;
export const SHORT_62: i32 = 3;
export const FULL_32: i32 = 4;
export const FULL_40: i32 = 5;
export const FULL_48: i32 = 6;

// Limb j of a step: weights are vectors in a row, or pairs for all lanes; inputs are vectors in a row, or planes apart.
@inline function w0(conv: bool, at: usize): v128 { return conv ? v128.load32_splat(at) : v128.load(at); }
@inline function w1(conv: bool, at: usize): v128 { return conv ? v128.load32_splat(at, 4) : v128.load(at, 16); }
@inline function w2(conv: bool, at: usize): v128 { return conv ? v128.load32_splat(at, 8) : v128.load(at, 32); }
@inline function w3(conv: bool, at: usize): v128 { return conv ? v128.load32_splat(at, 12) : v128.load(at, 48); }
@inline function w4(conv: bool, at: usize): v128 { return conv ? v128.load32_splat(at, 16) : v128.load(at, 64); }
@inline function w5(conv: bool, at: usize): v128 { return conv ? v128.load32_splat(at, 20) : v128.load(at, 80); }
@inline function w6(conv: bool, at: usize): v128 { return conv ? v128.load32_splat(at, 24) : v128.load(at, 96); }
@inline function w7(conv: bool, at: usize): v128 { return conv ? v128.load32_splat(at, 28) : v128.load(at, 112); }
@inline function x0(conv: bool, at: usize): v128 { return v128.load(at); }
@inline function x1(conv: bool, at: usize, plane: usize): v128 { return conv ? v128.load(at + plane) : v128.load(at, 16); }
@inline function x2(conv: bool, at: usize, plane: usize): v128 { return conv ? v128.load(at + 2 * plane) : v128.load(at, 32); }
@inline function x3(conv: bool, at: usize, plane: usize): v128 { return conv ? v128.load(at + 3 * plane) : v128.load(at, 48); }

@inline function dot(a: v128, b: v128): v128 { return v128.dot<i16>(a, b); }
@inline function add(a: v128, b: v128): v128 { return v128.add<i32>(a, b); }
@inline function high(a: v128): v128 { return v128.shr<i32>(a, 16); }

/** Lanes 0 and 1, or 2 and 3, as 64-bit words. */
@inline function signed(upper: bool, a: v128): v128 { return upper ? v128.extend_high<i32>(a) : v128.extend_low<i32>(a); }
@inline function unsigned(upper: bool, a: v128): v128 { return upper ? v128.extend_high<u32>(a) : v128.extend_low<u32>(a); }

/** Two of the four lanes' sums as words. */
@inline
function words(kind: i32, upper: bool, lo: v128, hi: v128, mid: v128, mh: v128, top: v128, tip: v128): v128 {
  if (kind == SHORT_32 || kind == FULL_32) return unsigned(upper, add(lo, v128.shl<i32>(mid, 16)));
  if (kind == SHORT_40)
    return v128.add<i64>(signed(upper, lo), v128.shl<i64>(signed(upper, add(mid, v128.shl<i32>(top, 16))), 8));
  if (kind == FULL_40) {
    const rest = v128.shl<i32>(add(tip, v128.shl<i32>(top, 1)), 13);
    const middle = add(v128.sub<i32>(mid, add(lo, tip)), rest);
    return v128.add<i64>(signed(upper, lo), v128.shl<i64>(signed(upper, middle), 13));
  }
  // Of each sum T = lo mod 2^32, and T - hi * 2^16 is a sum of low halves: within 32 bits without a sign.
  const low = unsigned(upper, v128.sub<i32>(lo, v128.shl<i32>(hi, 16)));
  if (kind == SHORT_48 || kind == FULL_48)
    return v128.add<i64>(low, v128.shl<i64>(signed(upper, add(add(hi, mid), v128.shl<i32>(top, 16))), 16));
  const middle = unsigned(upper, v128.sub<i32>(mid, v128.shl<i32>(mh, 16)));
  const carried = v128.add<i64>(middle, v128.shl<i64>(signed(upper, mh), 16));
  const rest = v128.shl<i64>(signed(upper, add(top, v128.shl<i32>(tip, 16))), 30);
  const first = v128.add<i64>(low, v128.shl<i64>(signed(upper, hi), 16));
  return v128.add<i64>(first, v128.add<i64>(v128.shl<i64>(carried, 14), rest));
}

/** Adds the first `valid` of four words. */
@inline
function store4(y: usize, valid: i32, low: v128, upper: v128): void {
  if (valid >= 4) {
    v128.store(y, v128.add<i64>(v128.load(y), low));
    v128.store(y, v128.add<i64>(v128.load(y, 16), upper), 16);
    return;
  }
  store<i64>(y, load<i64>(y) + v128.extract_lane<i64>(low, 0));
  if (valid > 1) store<i64>(y, load<i64>(y, 8) + v128.extract_lane<i64>(low, 1), 8);
  if (valid > 2) store<i64>(y, load<i64>(y, 16) + v128.extract_lane<i64>(upper, 0), 16);
}

/**
 * Adds the products of two rows of weights to y.
 * @param y conv: the words of row 0 from the tile's first column on, row 1 at yRow; dense: the words of both rows
 * @param valid conv: columns of the tile that exist
 * @param both whether row 1 exists
 * @param table conv: where the steps' inputs lie, bytes from x
 * @param plane conv: bytes from one limb's planes to the next's
 * @param steps even
 */
@inline
export function tile(
  conv: bool,
  kind: i32,
  y: usize,
  yRow: usize,
  valid: i32,
  both: bool,
  w: usize,
  x: usize,
  table: usize,
  plane: usize,
  steps: i32,
): void {
  const full = kind >= FULL_32;
  const limbsW = kind == FULL_32 ? 2 : kind == FULL_40 ? 4 : kind == FULL_48 ? 3 : 1;
  const limbsX = kind == SHORT_32 || kind == FULL_32 ? 2 : kind == SHORT_62 || kind == FULL_40 ? 4 : 3;
  const wStep: usize = (conv ? 8 : 32) * limbsW;
  const one = v128.splat<i32>(1);
  const zero = v128.splat<i32>(0);
  // A product of two limbs -32768 with two limbs -32768 is 2^31: one less always fits, and the ones are added here.
  let lo0 = kind == FULL_48 ? v128.splat<i32>(steps) : zero;
  let lo1 = lo0;
  let hi0 = zero;
  let hi1 = zero;
  let mid0 = zero;
  let mid1 = zero;
  let mh0 = zero;
  let mh1 = zero;
  let top0 = zero;
  let top1 = zero;
  let tip0 = zero;
  let tip1 = zero;
  if (full)
    for (let i: i32 = 0; i < steps; i++) {
      const at = conv ? x + load<u32>(table) : x;
      const a = x0(conv, at);
      const b = x1(conv, at, plane);
      if (kind == FULL_32) {
        const u0 = w0(conv, w);
        const v0 = w2(conv, w);
        lo0 = add(lo0, dot(u0, a));
        lo1 = add(lo1, dot(v0, a));
        mid0 = add(mid0, add(dot(u0, b), dot(w1(conv, w), a)));
        mid1 = add(mid1, add(dot(v0, b), dot(w3(conv, w), a)));
      } else if (kind == FULL_40) {
        const c = x2(conv, at, plane);
        const d = x3(conv, at, plane);
        const u0 = w0(conv, w);
        const v0 = w4(conv, w);
        lo0 = add(lo0, dot(u0, a));
        lo1 = add(lo1, dot(v0, a));
        top0 = add(top0, add(dot(u0, d), dot(w3(conv, w), a)));
        top1 = add(top1, add(dot(v0, d), dot(w7(conv, w), a)));
        tip0 = add(tip0, dot(w1(conv, w), b));
        tip1 = add(tip1, dot(w5(conv, w), b));
        mid0 = add(mid0, dot(w2(conv, w), c));
        mid1 = add(mid1, dot(w6(conv, w), c));
      } else {
        const c = x2(conv, at, plane);
        const u0 = w0(conv, w);
        const u1 = w1(conv, w);
        const p0 = v128.sub<i32>(dot(u0, a), one);
        lo0 = add(lo0, p0);
        hi0 = add(hi0, high(p0));
        mid0 = add(mid0, add(dot(u0, b), dot(u1, a)));
        top0 = add(top0, add(add(dot(u0, c), dot(u1, b)), dot(w2(conv, w), a)));
        const v0 = w3(conv, w);
        const v1 = w4(conv, w);
        const p1 = v128.sub<i32>(dot(v0, a), one);
        lo1 = add(lo1, p1);
        hi1 = add(hi1, high(p1));
        mid1 = add(mid1, add(dot(v0, b), dot(v1, a)));
        top1 = add(top1, add(add(dot(v0, c), dot(v1, b)), dot(w5(conv, w), a)));
      }
      w += wStep;
      if (conv) table += 4;
      else x += 16 * limbsX;
    }
  else
    for (let i: i32 = 0; i < steps; i += 2) {
      const at = conv ? x + load<u32>(table) : x;
      const to = conv ? x + load<u32>(table, 4) : x + 16 * limbsX;
      const u0 = w0(conv, w);
      const v0 = w1(conv, w);
      const u1 = w2(conv, w);
      const v1 = w3(conv, w);
      let a = x0(conv, at);
      let b = x0(conv, to);
      const p0 = add(dot(u0, a), dot(u1, b));
      const p1 = add(dot(v0, a), dot(v1, b));
      lo0 = add(lo0, p0);
      lo1 = add(lo1, p1);
      if (kind >= SHORT_48) {
        hi0 = add(hi0, high(p0));
        hi1 = add(hi1, high(p1));
      }
      a = x1(conv, at, plane);
      b = x1(conv, to, plane);
      const q0 = add(dot(u0, a), dot(u1, b));
      const q1 = add(dot(v0, a), dot(v1, b));
      mid0 = add(mid0, q0);
      mid1 = add(mid1, q1);
      if (kind == SHORT_62) {
        mh0 = add(mh0, high(q0));
        mh1 = add(mh1, high(q1));
      }
      if (kind != SHORT_32) {
        a = x2(conv, at, plane);
        b = x2(conv, to, plane);
        top0 = add(top0, add(dot(u0, a), dot(u1, b)));
        top1 = add(top1, add(dot(v0, a), dot(v1, b)));
      }
      if (kind == SHORT_62) {
        a = x3(conv, at, plane);
        b = x3(conv, to, plane);
        tip0 = add(tip0, add(dot(u0, a), dot(u1, b)));
        tip1 = add(tip1, add(dot(v0, a), dot(v1, b)));
      }
      w += 2 * wStep;
      if (conv) table += 8;
      else x += 32 * limbsX;
    }
  const low0 = words(kind, false, lo0, hi0, mid0, mh0, top0, tip0);
  const upper0 = words(kind, true, lo0, hi0, mid0, mh0, top0, tip0);
  const low1 = words(kind, false, lo1, hi1, mid1, mh1, top1, tip1);
  const upper1 = words(kind, true, lo1, hi1, mid1, mh1, top1, tip1);
  if (conv) {
    store4(y, valid, low0, upper0);
    if (both) store4(y + yRow, valid, low1, upper1);
    return;
  }
  const sum0 = v128.add<i64>(low0, upper0);
  const sum1 = v128.add<i64>(low1, upper1);
  const sums = v128.add<i64>(v128.shuffle<i64>(sum0, sum1, 0, 2), v128.shuffle<i64>(sum0, sum1, 1, 3));
  if (both) v128.store(y, v128.add<i64>(v128.load(y), sums));
  else store<i64>(y, load<i64>(y) + v128.extract_lane<i64>(sums, 0));
}
