// A row of bits as masks over the words of its elements. Interleaving a vector with itself is one instruction; other
// shuffles of one vector set up their constant each time.

/** Eight 16-bit masks: the bits of elements 8 i .. 8 i + 7 of a row. */
@inline export function elementMasks(row: v128, i: i32): v128 {
  const bit = i16x8.splat((<i16>1) << (<i16>i));
  return i16x8.eq(v128.and(row, bit), bit);
}

/** Masks of 32 bits of the first four of eight elements. */
@inline export function firstFour(m: v128): v128 {
  return v128.shuffle<i16>(m, m, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** Masks of 32 bits of the last four of eight elements. */
@inline export function lastFour(m: v128): v128 {
  return v128.shuffle<i16>(m, m, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** Masks of 64 bits of the first two of four elements. */
@inline export function firstTwo(m: v128): v128 {
  return v128.shuffle<i32>(m, m, 0, 4, 1, 5);
}

/** Masks of 64 bits of the last two of four elements. */
@inline export function lastTwo(m: v128): v128 {
  return v128.shuffle<i32>(m, m, 2, 6, 3, 7);
}
