// 128 words of 64 bits become rows of 128 bits: bit 16 l + i of row k is bit k of word 8 i + l.

@inline function pairs(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

@inline function pairsAbove(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/**
 * Splits words 8 i .. 8 i + 7 and those 64 further on into planes of bytes: lane l of row i of plane p holds byte p of words
 * 8 i + l and 64 + 8 i + l. That is the transposition of 16 x 16 bits but for the distances within a byte.
 */
@inline function split(x: usize, rows: usize, sub: v128, planes: i32): void {
  for (let i: usize = 0; i < 128; i += 16) {
    let a = i64x2.sub(v128.load(x), sub), b = i64x2.sub(v128.load(x, 512), sub);
    const e0 = pairs(a, b), e1 = pairsAbove(a, b);
    a = i64x2.sub(v128.load(x, 16), sub); b = i64x2.sub(v128.load(x, 528), sub);
    const e2 = pairs(a, b), e3 = pairsAbove(a, b);
    a = i64x2.sub(v128.load(x, 32), sub); b = i64x2.sub(v128.load(x, 544), sub);
    const e4 = pairs(a, b), e5 = pairsAbove(a, b);
    a = i64x2.sub(v128.load(x, 48), sub); b = i64x2.sub(v128.load(x, 560), sub);
    const e6 = pairs(a, b), e7 = pairsAbove(a, b);
    // bytes 0 .. 3 of the words
    let f0 = v128.shuffle<i16>(e0, e1, 0, 8, 1, 9, 2, 10, 3, 11), f1 = v128.shuffle<i16>(e2, e3, 0, 8, 1, 9, 2, 10, 3, 11);
    let f2 = v128.shuffle<i16>(e4, e5, 0, 8, 1, 9, 2, 10, 3, 11), f3 = v128.shuffle<i16>(e6, e7, 0, 8, 1, 9, 2, 10, 3, 11);
    let g0 = v128.shuffle<i32>(f0, f1, 0, 4, 1, 5), g1 = v128.shuffle<i32>(f2, f3, 0, 4, 1, 5);
    v128.store(rows + i, v128.shuffle<i64>(g0, g1, 0, 2));
    v128.store(rows + i, v128.shuffle<i64>(g0, g1, 1, 3), 128);
    g0 = v128.shuffle<i32>(f0, f1, 2, 6, 3, 7); g1 = v128.shuffle<i32>(f2, f3, 2, 6, 3, 7);
    v128.store(rows + i, v128.shuffle<i64>(g0, g1, 0, 2), 256);
    v128.store(rows + i, v128.shuffle<i64>(g0, g1, 1, 3), 384);
    if (planes > 4) {
      f0 = v128.shuffle<i16>(e0, e1, 4, 12, 5, 13, 6, 14, 7, 15); f1 = v128.shuffle<i16>(e2, e3, 4, 12, 5, 13, 6, 14, 7, 15);
      f2 = v128.shuffle<i16>(e4, e5, 4, 12, 5, 13, 6, 14, 7, 15); f3 = v128.shuffle<i16>(e6, e7, 4, 12, 5, 13, 6, 14, 7, 15);
      g0 = v128.shuffle<i32>(f0, f1, 0, 4, 1, 5); g1 = v128.shuffle<i32>(f2, f3, 0, 4, 1, 5);
      v128.store(rows + i, v128.shuffle<i64>(g0, g1, 0, 2), 512);
      if (planes > 5) v128.store(rows + i, v128.shuffle<i64>(g0, g1, 1, 3), 640);
      if (planes > 6) {
        g0 = v128.shuffle<i32>(f0, f1, 2, 6, 3, 7); g1 = v128.shuffle<i32>(f2, f3, 2, 6, 3, 7);
        v128.store(rows + i, v128.shuffle<i64>(g0, g1, 0, 2), 768);
        v128.store(rows + i, v128.shuffle<i64>(g0, g1, 1, 3), 896);
      }
    }
    x += 64;
  }
}

@inline function swap(a: v128, b: v128, s: i32, mask: v128): v128 {
  return v128.and(v128.xor(i16x8.shr_u(a, s), b), mask);
}

@inline function up(a: v128, t: v128, s: i32): v128 {
  return v128.xor(a, i16x8.shl(t, s));
}

/** Distances 4, 2 and 1 of the transposition, on eight rows in registers. */
function transposeEight(rows: usize): void {
  let a0 = v128.load(rows), a1 = v128.load(rows, 16), a2 = v128.load(rows, 32), a3 = v128.load(rows, 48);
  let a4 = v128.load(rows, 64), a5 = v128.load(rows, 80), a6 = v128.load(rows, 96), a7 = v128.load(rows, 112);
  let t: v128;
  let m = i16x8.splat(0x0f0f);
  t = swap(a0, a4, 4, m); a4 = v128.xor(a4, t); a0 = up(a0, t, 4);
  t = swap(a1, a5, 4, m); a5 = v128.xor(a5, t); a1 = up(a1, t, 4);
  t = swap(a2, a6, 4, m); a6 = v128.xor(a6, t); a2 = up(a2, t, 4);
  t = swap(a3, a7, 4, m); a7 = v128.xor(a7, t); a3 = up(a3, t, 4);
  m = i16x8.splat(0x3333);
  t = swap(a0, a2, 2, m); a2 = v128.xor(a2, t); a0 = up(a0, t, 2);
  t = swap(a1, a3, 2, m); a3 = v128.xor(a3, t); a1 = up(a1, t, 2);
  t = swap(a4, a6, 2, m); a6 = v128.xor(a6, t); a4 = up(a4, t, 2);
  t = swap(a5, a7, 2, m); a7 = v128.xor(a7, t); a5 = up(a5, t, 2);
  m = i16x8.splat(0x5555);
  t = swap(a0, a1, 1, m); a1 = v128.xor(a1, t); a0 = up(a0, t, 1);
  t = swap(a2, a3, 1, m); a3 = v128.xor(a3, t); a2 = up(a2, t, 1);
  t = swap(a4, a5, 1, m); a5 = v128.xor(a5, t); a4 = up(a4, t, 1);
  t = swap(a6, a7, 1, m); a7 = v128.xor(a7, t); a6 = up(a6, t, 1);
  v128.store(rows, a0); v128.store(rows, a1, 16); v128.store(rows, a2, 32); v128.store(rows, a3, 48);
  v128.store(rows, a4, 64); v128.store(rows, a5, 80); v128.store(rows, a6, 96); v128.store(rows, a7, 112);
}

/** Rows of bits 0 .. width-1 (to the next multiple of 8, at least 32) of 128 words, each less 2^subBit where subBit >= 0. */
export function gateSlice(x: usize, rows: usize, width: i32, subBit: i32): void {
  const sub = subBit < 0 ? i64x2.splat(0) : i64x2.splat((<i64>1) << (<i64>subBit));
  const planes = (width + 7) >> 3;
  if (planes <= 4) split(x, rows, sub, 4);
  else if (planes == 5) split(x, rows, sub, 5);
  else if (planes == 6) split(x, rows, sub, 6);
  else split(x, rows, sub, 8);
  const end = rows + (<usize>max(planes, 4) << 7);
  for (; rows < end; rows += 128) transposeEight(rows);
}
