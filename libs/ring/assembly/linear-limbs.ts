// Words as balanced limbs of at most 16 bits: x = x0 + 2^o1 x1 + 2^o2 x2 + .. mod 2^width, each limb a signed int16.
// Adding the halves of all limbs first turns balanced digits into plain ones: no carry from limb to limb.

/** Ways to cut a word; src/linear-scheme.ts has the same numbers. */
const CUT_16: i32 = 0; // 16
const CUT_16_16: i32 = 1; // 16, 16
const CUT_8_16_16: i32 = 2; // 8, 16, 16
const CUT_16_16_16: i32 = 3; // 16, 16, 16
const CUT_14_16_16_16: i32 = 4; // 14, 16, 16, 16
const CUT_13_14_13: i32 = 5; // 13, 14, 13
const CUT_13_14_SUM_13: i32 = 6; // 13, 14, the sum of both, 13

@inline
function half(shift: i32, bits: i32): i64 {
  return (<i64>1) << i64(shift + bits - 1);
}

/** Limb `bits` wide at `shift` of count words: vector v (8 limbs) goes to out + v * step; a last vector is filled with zeros. */
function limb(out: usize, step: usize, words: usize, count: i32, bias: i64, shift: i32, bits: i32): void {
  const add = v128.splat<i64>(bias);
  const mask = v128.splat<i32>((1 << bits) - 1);
  const middle = v128.splat<i16>(<i16>(<i32>1 << (bits - 1)));
  let i: i32 = 0;
  for (; i + 8 <= count; i += 8) {
    const a = v128.shr<u64>(v128.add<i64>(v128.load(words), add), shift);
    const b = v128.shr<u64>(v128.add<i64>(v128.load(words, 16), add), shift);
    const c = v128.shr<u64>(v128.add<i64>(v128.load(words, 32), add), shift);
    const d = v128.shr<u64>(v128.add<i64>(v128.load(words, 48), add), shift);
    const low = v128.and(v128.shuffle<i32>(a, b, 0, 2, 4, 6), mask);
    const high = v128.and(v128.shuffle<i32>(c, d, 0, 2, 4, 6), mask);
    v128.store(out, v128.sub<i16>(v128.narrow<u32>(low, high), middle));
    out += step;
    words += 64;
  }
  if (i == count) return;
  v128.store(out, v128.splat<i16>(0));
  for (; i < count; i++) {
    const digit = <i32>((load<i64>(words) + bias) >> i64(shift)) & ((1 << bits) - 1);
    store<i16>(out, <i16>(digit - (1 << (bits - 1))));
    out += 2;
    words += 8;
  }
}

/** Cuts count words: vector v of limb l goes to out + v * step + l * next. */
export function splitLimbs(cut: i32, out: usize, step: usize, next: usize, words: usize, count: i32): void {
  if (cut >= CUT_13_14_13) {
    const summed = cut == CUT_13_14_SUM_13;
    const bias = half(0, 13) + half(13, 14) + half(27, 13);
    limb(out, step, words, count, bias, 0, 13);
    limb(out + next, step, words, count, bias, 13, 14);
    limb(out + (summed ? 3 : 2) * next, step, words, count, bias, 27, 13);
    for (let i: i32 = 0; summed && i < count; i += 8) {
      v128.store(out + 2 * next, v128.add<i16>(v128.load(out), v128.load(out + next)));
      out += step;
    }
    return;
  }
  const first = cut == CUT_8_16_16 ? 8 : cut == CUT_14_16_16_16 ? 14 : 16;
  const limbs = cut == CUT_16 ? 1 : cut == CUT_16_16 ? 2 : cut == CUT_14_16_16_16 ? 4 : 3;
  let bias = half(0, first);
  for (let l: i32 = 1; l < limbs; l++) bias += half(first + 16 * (l - 1), 16);
  limb(out, step, words, count, bias, 0, first);
  for (let l: i32 = 1; l < limbs; l++) limb(out + usize(l) * next, step, words, count, bias, first + 16 * (l - 1), 16);
}

/** 32-bit integers as words. */
export function widenWords(words: usize, integers: usize, count: i32): void {
  for (let i: i32 = 0; i < count; i++) store<i64>(words + (usize(i) << 3), load<i32>(integers + (usize(i) << 2)));
}

/** out[i * step] = pair (limbs[index[2i]], limbs[index[2i + 1]]) of int16; the index follows from the shape. */
export function gatherPairs(out: usize, step: usize, limbs: usize, index: usize, count: i32): void {
  for (let i: i32 = 0; i < count; i++) {
    store<i16>(out, load<i16>(limbs + (usize(load<u32>(index)) << 1)));
    store<i16>(out, load<i16>(limbs + (usize(load<u32>(index, 4)) << 1)), 2);
    out += step;
    index += 8;
  }
}

/** Interleaves two rows of int16 as pairs. */
@inline
function pairRow(out: usize, a: usize, b: usize, count: i32): void {
  let i: i32 = 0;
  for (; i + 8 <= count; i += 8) {
    const first = v128.load(a);
    const second = v128.load(b);
    v128.store(out, v128.shuffle<i16>(first, second, 0, 8, 1, 9, 2, 10, 3, 11));
    v128.store(out, v128.shuffle<i16>(first, second, 4, 12, 5, 13, 6, 14, 7, 15), 16);
    out += 32;
    a += 16;
    b += 16;
  }
  for (; i < count; i++) {
    store<i16>(out, load<i16>(a));
    store<i16>(out, load<i16>(b), 2);
    out += 4;
    a += 2;
    b += 2;
  }
}

/** One int16 row into the half `at` points to, of pairs in columns first, first + 1, ..; those before column 0 are left out. */
@inline
function halfRow(at: usize, row: usize, first: i32, count: i32, stride: i32, phase: i32): void {
  for (let i: i32 = max(0, -first); i < count; i++) {
    const column = first + i;
    store<i16>(at + (usize((column % stride) * phase + column / stride) << 2), load<i16>(row + (usize(i) << 1)));
  }
}

/**
 * One limb of a group's input as planes of pairs, surrounded by zeros: the channels c and c + 1, and of a last odd channel
 * the columns x and x + dilation, then (if `below` is not 0) the rows y and y + below. A plane has `height` rows, a row `stride` parts of `phase` columns: column x lies in
 * part x mod stride, so the windows' steps are neighbours.
 */
export function pairPlanes(
  out: usize,
  limbs: usize,
  channels: i32,
  inH: i32,
  inW: i32,
  padTop: i32,
  padLeft: i32,
  height: i32,
  stride: i32,
  phase: i32,
  dilation: i32,
  below: i32,
): void {
  const row = usize(stride * phase) << 2;
  const plane = row * usize(height);
  const channel = usize(inH * inW) << 1;
  memory.fill(out, 0, plane * usize(((channels + 1) >> 1) + (below > 0 ? 1 : 0)));
  for (let c: i32 = 0; c < channels; c += 2) {
    const paired = c + 1 < channels;
    for (let y: i32 = 0; y < inH; y++) {
      const to = out + row * usize(padTop + y);
      const from = limbs + (usize(y * inW) << 1);
      if (stride == 1) {
        const at = to + (usize(padLeft) << 2);
        if (paired) pairRow(at, from, from + channel, inW);
        else {
          const both = max(0, inW - dilation);
          pairRow(at, from, from + (usize(dilation) << 1), both);
          halfRow(to, from + (usize(both) << 1), padLeft + both, inW - both, 1, phase);
          halfRow(to + 2, from, padLeft - dilation, min(dilation, inW), 1, phase);
        }
      } else {
        halfRow(to, from, padLeft, inW, stride, phase);
        if (paired) halfRow(to + 2, from + channel, padLeft, inW, stride, phase);
        else halfRow(to + 2, from, padLeft - dilation, inW, stride, phase);
      }
    }
    out += plane;
    if (!paired && below > 0) rowPairs(out, limbs, inH, inW, padTop, padLeft, stride, phase, below);
    limbs += 2 * channel;
  }
}

/** A plane of pairs of the rows y and y + below. */
function rowPairs(out: usize, limbs: usize, inH: i32, inW: i32, padTop: i32, padLeft: i32, stride: i32, phase: i32, below: i32): void {
  const row = usize(stride * phase) << 2;
  const down = usize(below * inW) << 1;
  for (let y: i32 = 0; y < inH; y++) {
    const to = out + row * usize(padTop + y);
    const from = limbs + (usize(y * inW) << 1);
    const whole = stride == 1 && y + below < inH;
    if (whole) pairRow(to + (usize(padLeft) << 2), from, from + down, inW);
    else halfRow(to, from, padLeft, inW, stride, phase);
    // The row below `above` is this one; where a row of the input lies there, it has been paired whole.
    const above = padTop + y - below;
    if (above >= 0 && (stride != 1 || y < below)) halfRow(out + row * usize(above) + 2, from, padLeft, inW, stride, phase);
  }
}
