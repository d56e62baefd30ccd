// Values as they travel: groups of eight, in planes of eight 16-bit parts (bits 0-15, 16-31, ..), natural order; where the
// width is an odd number of bytes, the last plane is eight bytes. The last group is padded with whatever the words hold.

/** Packs `count` words, rounded up to a multiple of 8, at `bits` (8, 16, .. 64) each. Words beyond `count` must be readable. */
export function packWords(out: usize, words: usize, count: i32, bits: i32): void {
  const planes = bits >> 4;
  const odd = bits & 8;
  let to = out;
  const end = words + ((usize(count + 7) & ~7) << 3);
  for (let from = words; from < end; from += 64) {
    const a = v128.load(from);
    const b = v128.load(from, 16);
    const c = v128.load(from, 32);
    const d = v128.load(from, 48);
    // 32-bit halves of the eight words
    const lo0 = v128.shuffle<i32>(a, b, 0, 2, 4, 6);
    const lo1 = v128.shuffle<i32>(c, d, 0, 2, 4, 6);
    const hi0 = v128.shuffle<i32>(a, b, 1, 3, 5, 7);
    const hi1 = v128.shuffle<i32>(c, d, 1, 3, 5, 7);
    const p0 = v128.shuffle<i16>(lo0, lo1, 0, 2, 4, 6, 8, 10, 12, 14);
    const p1 = v128.shuffle<i16>(lo0, lo1, 1, 3, 5, 7, 9, 11, 13, 15);
    const p2 = v128.shuffle<i16>(hi0, hi1, 0, 2, 4, 6, 8, 10, 12, 14);
    const p3 = v128.shuffle<i16>(hi0, hi1, 1, 3, 5, 7, 9, 11, 13, 15);
    if (planes > 0) v128.store(to, p0);
    if (planes > 1) v128.store(to, p1, 16);
    if (planes > 2) v128.store(to, p2, 32);
    if (planes > 3) v128.store(to, p3, 48);
    to += usize(planes) << 4;
    if (odd) {
      const last = planes === 0 ? p0 : planes === 1 ? p1 : planes === 2 ? p2 : p3;
      const bytes = v128.narrow<u16>(v128.and(last, v128.splat<i16>(0xff)), last);
      store<i64>(to, v128.extract_lane<i64>(bytes, 0));
      to += 8;
    }
  }
}

/** The words of `count` packed values, zero-extended; whole groups of 8 are written. */
export function unpackWords(words: usize, packed: usize, count: i32, bits: i32): void {
  const planes = bits >> 4;
  const odd = bits & 8;
  const zero = v128.splat<i64>(0);
  let from = packed;
  const end = words + ((usize(count + 7) & ~7) << 3);
  for (let to = words; to < end; to += 64) {
    let p0 = zero;
    let p1 = zero;
    let p2 = zero;
    let p3 = zero;
    if (planes > 0) p0 = v128.load(from);
    if (planes > 1) p1 = v128.load(from, 16);
    if (planes > 2) p2 = v128.load(from, 32);
    if (planes > 3) p3 = v128.load(from, 48);
    from += usize(planes) << 4;
    if (odd) {
      const last = v128.load_ext<u8>(from);
      if (planes === 0) p0 = last;
      else if (planes === 1) p1 = last;
      else if (planes === 2) p2 = last;
      else p3 = last;
      from += 8;
    }
    const lo0 = v128.shuffle<i16>(p0, p1, 0, 8, 1, 9, 2, 10, 3, 11);
    const lo1 = v128.shuffle<i16>(p0, p1, 4, 12, 5, 13, 6, 14, 7, 15);
    const hi0 = v128.shuffle<i16>(p2, p3, 0, 8, 1, 9, 2, 10, 3, 11);
    const hi1 = v128.shuffle<i16>(p2, p3, 4, 12, 5, 13, 6, 14, 7, 15);
    v128.store(to, v128.shuffle<i32>(lo0, hi0, 0, 4, 1, 5));
    v128.store(to, v128.shuffle<i32>(lo0, hi0, 2, 6, 3, 7), 16);
    v128.store(to, v128.shuffle<i32>(lo1, hi1, 0, 4, 1, 5), 32);
    v128.store(to, v128.shuffle<i32>(lo1, hi1, 2, 6, 3, 7), 48);
  }
}
