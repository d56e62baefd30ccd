// Values as they travel: groups of eight, in planes of eight 16-bit parts (bits 0-15, 16-31, ..), natural order; where the
// width is an odd number of bytes, the last plane is eight bytes. The last group is padded with whatever the words hold.

@inline function low16(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

@inline function high16(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

@inline function plane(to: usize, p: v128, whole: bool): void {
  if (whole) v128.store(to, p);
  else {
    const bytes = v128.narrow<u16>(v128.and(p, v128.splat<i16>(0xff)), p);
    store<i64>(to, v128.extract_lane<i64>(bytes, 0));
  }
}

/** Eight words, two in each vector, to `to`. */
@inline function packEight(to: usize, a: v128, b: v128, c: v128, d: v128, bits: i32): void {
  const l0 = low16(a, b), h0 = high16(a, b), l1 = low16(c, d), h1 = high16(c, d);
  const p0 = low16(l0, h0), p1 = low16(l1, h1); // bits 0-15 of four words, then 16-31
  plane(to, v128.shuffle<i64>(p0, p1, 0, 2), bits >= 16);
  if (bits > 16) plane(to + 16, v128.shuffle<i64>(p0, p1, 1, 3), bits >= 32);
  if (bits > 32) {
    const p2 = high16(l0, h0), p3 = high16(l1, h1);
    plane(to + 32, v128.shuffle<i64>(p2, p3, 0, 2), bits >= 48);
    if (bits > 48) plane(to + 48, v128.shuffle<i64>(p2, p3, 1, 3), bits >= 64);
  }
}

@inline function pack(out: usize, words: usize, count: i32, bits: i32): void {
  const end = words + ((usize(count + 7) & ~7) << 3);
  for (; words < end; words += 64) {
    packEight(out, v128.load(words), v128.load(words, 16), v128.load(words, 32), v128.load(words, 48), bits);
    out += <usize>bits;
  }
}

/** Packs `count` words, rounded up to a multiple of 8, at `bits` (8, 16, .. 64) each. Words beyond `count` must be readable. */
export function packWords(out: usize, words: usize, count: i32, bits: i32): void {
  if (bits == 40) pack(out, words, count, 40);
  else if (bits == 48) pack(out, words, count, 48);
  else if (bits == 32) pack(out, words, count, 32);
  else if (bits == 56) pack(out, words, count, 56);
  else if (bits == 64) pack(out, words, count, 64);
  else pack(out, words, count, bits);
}

@inline function addPack(out: usize, x: usize, y: usize, count: i32, bits: i32): void {
  const end = x + ((usize(count) & ~7) << 3);
  for (; x < end; x += 64) {
    const a = i64x2.add(v128.load(x), v128.load(y)), b = i64x2.add(v128.load(x, 16), v128.load(y, 16));
    const c = i64x2.add(v128.load(x, 32), v128.load(y, 32)), d = i64x2.add(v128.load(x, 48), v128.load(y, 48));
    v128.store(x, a); v128.store(x, b, 16); v128.store(x, c, 32); v128.store(x, d, 48);
    packEight(out, a, b, c, d, bits);
    y += 64;
    out += <usize>bits;
  }
  count &= 7;
  for (let i = 0; i < count; i++) {
    const at = <usize>(i << 3);
    store<i64>(x + at, load<i64>(x + at) + load<i64>(y + at));
  }
  if (count > 0) pack(out, x, count, bits);
}

/** x[i] += y[i], and the sums packed as packWords does. Words of x beyond `count` stay and are packed up to a multiple of 8. */
export function addPackWords(out: usize, x: usize, y: usize, count: i32, bits: i32): void {
  if (bits == 40) addPack(out, x, y, count, 40);
  else if (bits == 48) addPack(out, x, y, count, 48);
  else if (bits == 32) addPack(out, x, y, count, 32);
  else if (bits == 56) addPack(out, x, y, count, 56);
  else if (bits == 64) addPack(out, x, y, count, 64);
  else addPack(out, x, y, count, bits);
}

@inline function planeOf(from: usize, whole: bool): v128 {
  return whole ? v128.load(from) : v128.load_ext<u8>(from);
}

/** The words of eight packed values at `to`; added to what is there, modulo the mask `keep`, where `add`. */
@inline function unpackEight(to: usize, from: usize, bits: i32, add: bool, keep: v128): void {
  const zero = v128.splat<i64>(0);
  const p0 = planeOf(from, bits >= 16);
  const p1 = bits > 16 ? planeOf(from + 16, bits >= 32) : zero;
  const p2 = bits > 32 ? planeOf(from + 32, bits >= 48) : zero;
  const p3 = bits > 48 ? planeOf(from + 48, bits >= 64) : zero;
  const lo0 = low16(p0, p1), lo1 = high16(p0, p1), hi0 = low16(p2, p3), hi1 = high16(p2, p3);
  let a = v128.shuffle<i32>(lo0, hi0, 0, 4, 1, 5), b = v128.shuffle<i32>(lo0, hi0, 2, 6, 3, 7);
  let c = v128.shuffle<i32>(lo1, hi1, 0, 4, 1, 5), d = v128.shuffle<i32>(lo1, hi1, 2, 6, 3, 7);
  if (add) {
    a = v128.and(i64x2.add(a, v128.load(to)), keep);
    b = v128.and(i64x2.add(b, v128.load(to, 16)), keep);
    c = v128.and(i64x2.add(c, v128.load(to, 32)), keep);
    d = v128.and(i64x2.add(d, v128.load(to, 48)), keep);
  }
  v128.store(to, a); v128.store(to, b, 16); v128.store(to, c, 32); v128.store(to, d, 48);
}

@inline function unpack(words: usize, packed: usize, count: i32, bits: i32): void {
  const end = words + ((usize(count + 7) & ~7) << 3), none = v128.splat<i64>(0);
  for (; words < end; words += 64) {
    unpackEight(words, packed, bits, false, none);
    packed += <usize>bits;
  }
}

/** The words of `count` packed values, zero-extended; whole groups of 8 are written. */
export function unpackWords(words: usize, packed: usize, count: i32, bits: i32): void {
  if (bits == 40) unpack(words, packed, count, 40);
  else if (bits == 48) unpack(words, packed, count, 48);
  else if (bits == 32) unpack(words, packed, count, 32);
  else if (bits == 56) unpack(words, packed, count, 56);
  else if (bits == 64) unpack(words, packed, count, 64);
  else unpack(words, packed, count, bits);
}

@inline function open(x: usize, packed: usize, count: i32, bits: i32, keep: v128): void {
  const end = x + ((usize(count) & ~7) << 3);
  for (; x < end; x += 64) {
    unpackEight(x, packed, bits, true, keep);
    packed += <usize>bits;
  }
  count &= 7;
  if (count > 0) {
    // The rest of the group must stay as it is.
    const rest = <usize>64 - (<usize>count << 3);
    memory.copy(spare, x + (<usize>count << 3), rest);
    unpackEight(x, packed, bits, true, keep);
    memory.copy(x + (<usize>count << 3), spare, rest);
  }
}

const spare = memory.data(64, 16);

/** x[i] = x[i] plus the packed value, mod 2^width: the opening of shares of which the peer's came packed at `bits`. */
export function openWords(x: usize, packed: usize, count: i32, bits: i32, width: i32): void {
  const keep = i64x2.splat(width == 64 ? -1 : ((<i64>1) << (<i64>width)) - 1);
  if (bits == 40) open(x, packed, count, 40, keep);
  else if (bits == 48) open(x, packed, count, 48, keep);
  else if (bits == 32) open(x, packed, count, 32, keep);
  else if (bits == 56) open(x, packed, count, 56, keep);
  else if (bits == 64) open(x, packed, count, 64, keep);
  else open(x, packed, count, bits, keep);
}
