// What the kernels of linear-kernels.mjs make of their sums: of the lanes 0 and 1, or 2 and 3 ("upper"), as 64-bit words.
// A sum with an "h" beside it counts beyond 32 bits: it is T mod 2^32, and T - h * 2^16 is a sum of low halves, which is
// within 32 bits and not negative (docs/decisions/0012).

@inline function add(a: v128, b: v128): v128 { return v128.add<i32>(a, b); }
@inline function shifted(a: v128, by: i32): v128 { return v128.shl<i32>(a, by); }
@inline function sum(a: v128, b: v128, by: i32): v128 { return v128.add<i64>(a, v128.shl<i64>(b, by)); }
@inline function signed(upper: bool, a: v128): v128 { return upper ? v128.extend_high<i32>(a) : v128.extend_low<i32>(a); }
@inline function unsigned(upper: bool, a: v128): v128 { return upper ? v128.extend_high<u32>(a) : v128.extend_low<u32>(a); }
@inline function lowHalves(upper: bool, t: v128, h: v128): v128 { return unsigned(upper, v128.sub<i32>(t, shifted(h, 16))); }

@inline
export function wordsShort32(upper: bool, lo: v128, mid: v128): v128 {
  return signed(upper, add(lo, shifted(mid, 16)));
}

@inline
export function wordsShort40(upper: bool, lo: v128, mid: v128, top: v128): v128 {
  return sum(signed(upper, lo), signed(upper, add(mid, shifted(top, 16))), 8);
}

@inline
export function wordsShort48(upper: bool, lo: v128, loh: v128, mid: v128, top: v128): v128 {
  return sum(lowHalves(upper, lo, loh), signed(upper, add(add(loh, mid), shifted(top, 16))), 16);
}

@inline
export function wordsShort62(upper: bool, lo: v128, loh: v128, mid: v128, midh: v128, top: v128, tip: v128): v128 {
  const first = sum(lowHalves(upper, lo, loh), signed(upper, loh), 16);
  const second = sum(lowHalves(upper, mid, midh), signed(upper, midh), 16);
  return sum(sum(first, second, 14), signed(upper, add(top, shifted(tip, 16))), 30);
}

@inline
export function wordsFull32(upper: bool, lo: v128, mid: v128): v128 {
  return wordsShort32(upper, lo, mid);
}

/** mid holds (w0 + w1)(x0 + x1), tip w1 x1. */
@inline
export function wordsFull40(upper: bool, lo: v128, mid: v128, top: v128, tip: v128): v128 {
  const mixed = v128.sub<i32>(mid, add(lo, tip));
  return sum(signed(upper, lo), signed(upper, add(mixed, shifted(add(tip, shifted(top, 1)), 13))), 13);
}

@inline
export function wordsFull48(upper: bool, lo: v128, loh: v128, mid: v128, top: v128): v128 {
  return wordsShort48(upper, lo, loh, mid, top);
}

/** Adds the sum of four words to one. */
@inline
export function store1(y: usize, low: v128, upper: v128): void {
  const both = v128.add<i64>(low, upper);
  store<i64>(y, load<i64>(y) + v128.extract_lane<i64>(both, 0) + v128.extract_lane<i64>(both, 1));
}

/** Adds the first `valid` of four words to those at y. */
@inline
export function store4(y: usize, valid: i32, low: v128, upper: v128): void {
  if (valid >= 4) {
    v128.store(y, v128.add<i64>(v128.load(y), low));
    v128.store(y, v128.add<i64>(v128.load(y, 16), upper), 16);
    return;
  }
  store<i64>(y, load<i64>(y) + v128.extract_lane<i64>(low, 0));
  if (valid > 1) store<i64>(y, load<i64>(y, 8) + v128.extract_lane<i64>(low, 1), 8);
  if (valid > 2) store<i64>(y, load<i64>(y, 16) + v128.extract_lane<i64>(upper, 0), 16);
}
