// A row of bits as masks over the words of its elements.

/** Eight 16-bit masks: the bits of elements 8 i .. 8 i + 7 of a row. */
@inline export function elementMasks(row: v128, i: i32): v128 {
  const bit = i16x8.splat((<i16>1) << (<i16>i));
  return i16x8.eq(v128.and(row, bit), bit);
}

/** The masks of elements 2 k and 2 k + 1 of eight as 64-bit masks. */
@inline export function pairMask(m: v128, k: i32): v128 {
  if (k == 0) return v128.shuffle<i16>(m, m, 0, 0, 0, 0, 1, 1, 1, 1);
  if (k == 1) return v128.shuffle<i16>(m, m, 2, 2, 2, 2, 3, 3, 3, 3);
  if (k == 2) return v128.shuffle<i16>(m, m, 4, 4, 4, 4, 5, 5, 5, 5);
  return v128.shuffle<i16>(m, m, 6, 6, 6, 6, 7, 7, 7, 7);
}
