// 128 words of 64 bits become rows of 128 bits: bit 16 l + i of row k is bit k of word 8 i + l.

/** Splits 128 words, each less `sub`, into planes of 16 bits: row i of plane p holds bits 16 p .. 16 p + 15 of words 8 i .. 8 i + 7. */
function split(x: usize, rows: usize, sub: v128, planes: i32): void {
  for (let i: usize = 0; i < 256; i += 16) {
    const a = i64x2.sub(v128.load(x), sub), b = i64x2.sub(v128.load(x, 16), sub);
    const c = i64x2.sub(v128.load(x, 32), sub), d = i64x2.sub(v128.load(x, 48), sub);
    const lo0 = v128.shuffle<i32>(a, b, 0, 2, 4, 6), lo1 = v128.shuffle<i32>(c, d, 0, 2, 4, 6);
    v128.store(rows + i, v128.shuffle<i16>(lo0, lo1, 0, 2, 4, 6, 8, 10, 12, 14));
    v128.store(rows + i, v128.shuffle<i16>(lo0, lo1, 1, 3, 5, 7, 9, 11, 13, 15), 256);
    if (planes > 2) {
      const hi0 = v128.shuffle<i32>(a, b, 1, 3, 5, 7), hi1 = v128.shuffle<i32>(c, d, 1, 3, 5, 7);
      v128.store(rows + i, v128.shuffle<i16>(hi0, hi1, 0, 2, 4, 6, 8, 10, 12, 14), 512);
      if (planes > 3) v128.store(rows + i, v128.shuffle<i16>(hi0, hi1, 1, 3, 5, 7, 9, 11, 13, 15), 768);
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

/** 16 x 16 transposition of the bits of 16 rows in place, eight columns of it at a time: row k gets bit k of every lane. */
function transpose(rows: usize): void {
  const m = i16x8.splat(0x00ff);
  for (let i: usize = 0; i < 128; i += 16) {
    const a = v128.load(rows + i), b = v128.load(rows + i, 128);
    const t = swap(a, b, 8, m);
    v128.store(rows + i, up(a, t, 8));
    v128.store(rows + i, v128.xor(b, t), 128);
  }
  transposeEight(rows);
  transposeEight(rows + 128);
}

/** Rows of bits 0 .. width-1 (to the next multiple of 16, at least 32) of 128 words, each less 2^subBit where subBit >= 0. */
export function gateSlice(x: usize, rows: usize, width: i32, subBit: i32): void {
  const sub = subBit < 0 ? i64x2.splat(0) : i64x2.splat((<i64>1) << (<i64>subBit));
  const planes = (width + 15) >> 4;
  split(x, rows, sub, planes);
  for (let plane = 0; plane < planes; plane++) transpose(rows + (plane << 8));
}
