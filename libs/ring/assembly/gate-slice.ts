// 128 words of 64 bits become rows of 128 bits: bit 16 l + i of row k is bit k of word 8 i + l.

/** Low 16 bits of eight words, shifted right by `shift`, after subtracting `sub` from each. */
// @ts-ignore: decorator
@inline function lanes(x: usize, sub: v128, shift: i32): v128 {
  const a = i64x2.shr_u(i64x2.sub(v128.load(x), sub), shift);
  const b = i64x2.shr_u(i64x2.sub(v128.load(x, 16), sub), shift);
  const c = i64x2.shr_u(i64x2.sub(v128.load(x, 32), sub), shift);
  const d = i64x2.shr_u(i64x2.sub(v128.load(x, 48), sub), shift);
  const ab = v128.shuffle<i16>(a, b, 0, 4, 8, 12, 0, 4, 8, 12);
  const cd = v128.shuffle<i16>(c, d, 0, 4, 8, 12, 0, 4, 8, 12);
  return v128.shuffle<i64>(ab, cd, 0, 2);
}

// @ts-ignore: decorator
@inline function swap(a: v128, b: v128, s: i32, mask: v128): v128 {
  return v128.and(v128.xor(i16x8.shr_u(a, s), b), mask);
}

// @ts-ignore: decorator
@inline function up(a: v128, t: v128, s: i32): v128 {
  return v128.xor(a, i16x8.shl(t, s));
}

/** Rows of bits 16 plane .. 16 plane + 15 of 128 words, by four steps of a 16 x 16 transposition. */
function slicePlane(x: usize, rows: usize, sub: v128, plane: i32): void {
  const shift = plane << 4;
  let a0 = lanes(x, sub, shift), a1 = lanes(x + 64, sub, shift), a2 = lanes(x + 128, sub, shift), a3 = lanes(x + 192, sub, shift);
  let a4 = lanes(x + 256, sub, shift), a5 = lanes(x + 320, sub, shift), a6 = lanes(x + 384, sub, shift), a7 = lanes(x + 448, sub, shift);
  let a8 = lanes(x + 512, sub, shift), a9 = lanes(x + 576, sub, shift), a10 = lanes(x + 640, sub, shift), a11 = lanes(x + 704, sub, shift);
  let a12 = lanes(x + 768, sub, shift), a13 = lanes(x + 832, sub, shift), a14 = lanes(x + 896, sub, shift), a15 = lanes(x + 960, sub, shift);
  let t: v128;
  let m = i16x8.splat(0x00ff);
  t = swap(a0, a8, 8, m); a8 = v128.xor(a8, t); a0 = up(a0, t, 8);
  t = swap(a1, a9, 8, m); a9 = v128.xor(a9, t); a1 = up(a1, t, 8);
  t = swap(a2, a10, 8, m); a10 = v128.xor(a10, t); a2 = up(a2, t, 8);
  t = swap(a3, a11, 8, m); a11 = v128.xor(a11, t); a3 = up(a3, t, 8);
  t = swap(a4, a12, 8, m); a12 = v128.xor(a12, t); a4 = up(a4, t, 8);
  t = swap(a5, a13, 8, m); a13 = v128.xor(a13, t); a5 = up(a5, t, 8);
  t = swap(a6, a14, 8, m); a14 = v128.xor(a14, t); a6 = up(a6, t, 8);
  t = swap(a7, a15, 8, m); a15 = v128.xor(a15, t); a7 = up(a7, t, 8);
  m = i16x8.splat(0x0f0f);
  t = swap(a0, a4, 4, m); a4 = v128.xor(a4, t); a0 = up(a0, t, 4);
  t = swap(a1, a5, 4, m); a5 = v128.xor(a5, t); a1 = up(a1, t, 4);
  t = swap(a2, a6, 4, m); a6 = v128.xor(a6, t); a2 = up(a2, t, 4);
  t = swap(a3, a7, 4, m); a7 = v128.xor(a7, t); a3 = up(a3, t, 4);
  t = swap(a8, a12, 4, m); a12 = v128.xor(a12, t); a8 = up(a8, t, 4);
  t = swap(a9, a13, 4, m); a13 = v128.xor(a13, t); a9 = up(a9, t, 4);
  t = swap(a10, a14, 4, m); a14 = v128.xor(a14, t); a10 = up(a10, t, 4);
  t = swap(a11, a15, 4, m); a15 = v128.xor(a15, t); a11 = up(a11, t, 4);
  m = i16x8.splat(0x3333);
  t = swap(a0, a2, 2, m); a2 = v128.xor(a2, t); a0 = up(a0, t, 2);
  t = swap(a1, a3, 2, m); a3 = v128.xor(a3, t); a1 = up(a1, t, 2);
  t = swap(a4, a6, 2, m); a6 = v128.xor(a6, t); a4 = up(a4, t, 2);
  t = swap(a5, a7, 2, m); a7 = v128.xor(a7, t); a5 = up(a5, t, 2);
  t = swap(a8, a10, 2, m); a10 = v128.xor(a10, t); a8 = up(a8, t, 2);
  t = swap(a9, a11, 2, m); a11 = v128.xor(a11, t); a9 = up(a9, t, 2);
  t = swap(a12, a14, 2, m); a14 = v128.xor(a14, t); a12 = up(a12, t, 2);
  t = swap(a13, a15, 2, m); a15 = v128.xor(a15, t); a13 = up(a13, t, 2);
  m = i16x8.splat(0x5555);
  t = swap(a0, a1, 1, m); a1 = v128.xor(a1, t); a0 = up(a0, t, 1);
  t = swap(a2, a3, 1, m); a3 = v128.xor(a3, t); a2 = up(a2, t, 1);
  t = swap(a4, a5, 1, m); a5 = v128.xor(a5, t); a4 = up(a4, t, 1);
  t = swap(a6, a7, 1, m); a7 = v128.xor(a7, t); a6 = up(a6, t, 1);
  t = swap(a8, a9, 1, m); a9 = v128.xor(a9, t); a8 = up(a8, t, 1);
  t = swap(a10, a11, 1, m); a11 = v128.xor(a11, t); a10 = up(a10, t, 1);
  t = swap(a12, a13, 1, m); a13 = v128.xor(a13, t); a12 = up(a12, t, 1);
  t = swap(a14, a15, 1, m); a15 = v128.xor(a15, t); a14 = up(a14, t, 1);
  v128.store(rows, a0); v128.store(rows, a1, 16); v128.store(rows, a2, 32); v128.store(rows, a3, 48);
  v128.store(rows, a4, 64); v128.store(rows, a5, 80); v128.store(rows, a6, 96); v128.store(rows, a7, 112);
  v128.store(rows, a8, 128); v128.store(rows, a9, 144); v128.store(rows, a10, 160); v128.store(rows, a11, 176);
  v128.store(rows, a12, 192); v128.store(rows, a13, 208); v128.store(rows, a14, 224); v128.store(rows, a15, 240);
}

/** Rows of bits 0 .. width-1 (to the next multiple of 16) of 128 words, each less 2^subBit where subBit >= 0. */
export function gateSlice(x: usize, rows: usize, width: i32, subBit: i32): void {
  const sub = subBit < 0 ? i64x2.splat(0) : i64x2.splat((<i64>1) << (<i64>subBit));
  for (let plane = 0; plane << 4 < width; plane++) slicePlane(x, rows + (plane << 8), sub, plane);
}
