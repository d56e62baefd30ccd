// Products of a fixed operand with 64-bit words, mod 2^64. A word is two balanced limbs, x = high * 2^32 + low with low
// signed, each limb an array of its own ("planes"). low x low is summed in 64 bits; the mixed products count mod 2^32 only.

/** Splits words into planes: low = the signed low half, high = what remains. */
export function splitWords(low: usize, high: usize, words: usize, count: i32): void {
  let i: i32 = 0;
  for (; i + 4 <= count; i += 4) {
    const a = v128.load(words + (usize(i) << 3));
    const b = v128.load(words + (usize(i) << 3), 16);
    const lo = v128.shuffle<i32>(a, b, 0, 2, 4, 6);
    const hi = v128.shuffle<i32>(a, b, 1, 3, 5, 7);
    v128.store(low + (usize(i) << 2), lo);
    v128.store(high + (usize(i) << 2), v128.sub<i32>(hi, v128.shr<i32>(lo, 31)));
  }
  for (; i < count; i++) {
    const lo = load<i32>(words + (usize(i) << 3));
    store<i32>(low + (usize(i) << 2), lo);
    store<i32>(high + (usize(i) << 2), load<i32>(words + (usize(i) << 3), 4) - (lo >> 31));
  }
}

@inline
function total(sum64: v128, sum32: v128): i64 {
  const mixed =
    v128.extract_lane<i32>(sum32, 0) +
    v128.extract_lane<i32>(sum32, 1) +
    v128.extract_lane<i32>(sum32, 2) +
    v128.extract_lane<i32>(sum32, 3);
  return v128.extract_lane<i64>(sum64, 0) + v128.extract_lane<i64>(sum64, 1) + (i64(mixed) << 32);
}

@inline
function dot64(sum: v128, w: v128, x: v128): v128 {
  return v128.add<i64>(v128.add<i64>(sum, v128.extmul_low<i32>(w, x)), v128.extmul_high<i32>(w, x));
}

@inline
function accumulate(at: usize, value: i64): void {
  store<i64>(at, load<i64>(at) + value);
}

/**
 * y[m * yRow + p * yColumn] += sum_k w[m][k] x[p][k] (strides in bytes), w int32 with rows of `stride` (a multiple of 4)
 * elements, x in planes with the same stride. Padding beyond K must be zero in w.
 */
export function multiply32(y: usize, yRow: i32, yColumn: i32, w: usize, rows: i32, xLow: usize, xHigh: usize, columns: i32, stride: i32): void {
  const bytes = usize(stride) << 2;
  let m: i32 = 0;
  for (; m + 2 <= rows; m += 2) {
    const w0 = w + usize(m) * bytes;
    const w1 = w0 + bytes;
    let p: i32 = 0;
    for (; p + 2 <= columns; p += 2) {
      const l0 = xLow + usize(p) * bytes;
      const h0 = xHigh + usize(p) * bytes;
      let a00 = v128.splat<i64>(0);
      let a01 = v128.splat<i64>(0);
      let a10 = v128.splat<i64>(0);
      let a11 = v128.splat<i64>(0);
      let b00 = v128.splat<i32>(0);
      let b01 = v128.splat<i32>(0);
      let b10 = v128.splat<i32>(0);
      let b11 = v128.splat<i32>(0);
      for (let k: usize = 0; k < bytes; k += 16) {
        const v0 = v128.load(w0 + k);
        const v1 = v128.load(w1 + k);
        const x0 = v128.load(l0 + k);
        const x1 = v128.load(l0 + bytes + k);
        a00 = dot64(a00, v0, x0);
        a01 = dot64(a01, v0, x1);
        a10 = dot64(a10, v1, x0);
        a11 = dot64(a11, v1, x1);
        const y0 = v128.load(h0 + k);
        const y1 = v128.load(h0 + bytes + k);
        b00 = v128.add<i32>(b00, v128.mul<i32>(v0, y0));
        b01 = v128.add<i32>(b01, v128.mul<i32>(v0, y1));
        b10 = v128.add<i32>(b10, v128.mul<i32>(v1, y0));
        b11 = v128.add<i32>(b11, v128.mul<i32>(v1, y1));
      }
      const to = y + usize(m) * usize(yRow) + usize(p) * usize(yColumn);
      accumulate(to, total(a00, b00));
      accumulate(to + usize(yColumn), total(a01, b01));
      accumulate(to + usize(yRow), total(a10, b10));
      accumulate(to + usize(yRow) + usize(yColumn), total(a11, b11));
    }
    for (; p < columns; p++) {
      const l0 = xLow + usize(p) * bytes;
      const h0 = xHigh + usize(p) * bytes;
      let a0 = v128.splat<i64>(0);
      let a1 = v128.splat<i64>(0);
      let b0 = v128.splat<i32>(0);
      let b1 = v128.splat<i32>(0);
      for (let k: usize = 0; k < bytes; k += 16) {
        const v0 = v128.load(w0 + k);
        const v1 = v128.load(w1 + k);
        const x0 = v128.load(l0 + k);
        const y0 = v128.load(h0 + k);
        a0 = dot64(a0, v0, x0);
        a1 = dot64(a1, v1, x0);
        b0 = v128.add<i32>(b0, v128.mul<i32>(v0, y0));
        b1 = v128.add<i32>(b1, v128.mul<i32>(v1, y0));
      }
      const to = y + usize(m) * usize(yRow) + usize(p) * usize(yColumn);
      accumulate(to, total(a0, b0));
      accumulate(to + usize(yRow), total(a1, b1));
    }
  }
  for (; m < rows; m++)
    for (let p: i32 = 0; p < columns; p++) {
      const w0 = w + usize(m) * bytes;
      const l0 = xLow + usize(p) * bytes;
      const h0 = xHigh + usize(p) * bytes;
      let a = v128.splat<i64>(0);
      let b = v128.splat<i32>(0);
      for (let k: usize = 0; k < bytes; k += 16) {
        const v0 = v128.load(w0 + k);
        a = dot64(a, v0, v128.load(l0 + k));
        b = v128.add<i32>(b, v128.mul<i32>(v0, v128.load(h0 + k)));
      }
      accumulate(y + usize(m) * usize(yRow) + usize(p) * usize(yColumn), total(a, b));
    }
}

/** As multiply32, with w in planes of 64-bit words too. */
export function multiply64(y: usize, yRow: i32, yColumn: i32, wLow: usize, wHigh: usize, rows: i32, xLow: usize, xHigh: usize, columns: i32, stride: i32): void {
  const bytes = usize(stride) << 2;
  for (let m: i32 = 0; m < rows; m++) {
    const wl = wLow + usize(m) * bytes;
    const wh = wHigh + usize(m) * bytes;
    let p: i32 = 0;
    for (; p + 2 <= columns; p += 2) {
      const l0 = xLow + usize(p) * bytes;
      const h0 = xHigh + usize(p) * bytes;
      let a0 = v128.splat<i64>(0);
      let a1 = v128.splat<i64>(0);
      let b0 = v128.splat<i32>(0);
      let b1 = v128.splat<i32>(0);
      for (let k: usize = 0; k < bytes; k += 16) {
        const low = v128.load(wl + k);
        const high = v128.load(wh + k);
        const x0 = v128.load(l0 + k);
        const x1 = v128.load(l0 + bytes + k);
        a0 = dot64(a0, low, x0);
        a1 = dot64(a1, low, x1);
        b0 = v128.add<i32>(b0, v128.add<i32>(v128.mul<i32>(low, v128.load(h0 + k)), v128.mul<i32>(high, x0)));
        b1 = v128.add<i32>(b1, v128.add<i32>(v128.mul<i32>(low, v128.load(h0 + bytes + k)), v128.mul<i32>(high, x1)));
      }
      const to = y + usize(m) * usize(yRow) + usize(p) * usize(yColumn);
      accumulate(to, total(a0, b0));
      accumulate(to + usize(yColumn), total(a1, b1));
    }
    for (; p < columns; p++) {
      const l0 = xLow + usize(p) * bytes;
      const h0 = xHigh + usize(p) * bytes;
      let a0 = v128.splat<i64>(0);
      let b0 = v128.splat<i32>(0);
      for (let k: usize = 0; k < bytes; k += 16) {
        const low = v128.load(wl + k);
        const x0 = v128.load(l0 + k);
        a0 = dot64(a0, low, x0);
        b0 = v128.add<i32>(b0, v128.add<i32>(v128.mul<i32>(low, v128.load(h0 + k)), v128.mul<i32>(v128.load(wh + k), x0)));
      }
      accumulate(y + usize(m) * usize(yRow) + usize(p) * usize(yColumn), total(a0, b0));
    }
  }
}

/** One plane of patches: for positions first .. first + count - 1 of the output, the inputs under the window, rows of `stride` elements padded with zeros. */
export function patches(
  out: usize,
  plane: usize,
  first: i32,
  count: i32,
  stride: i32,
  channels: i32,
  inH: i32,
  inW: i32,
  outW: i32,
  kH: i32,
  kW: i32,
  sH: i32,
  sW: i32,
  dH: i32,
  dW: i32,
  padTop: i32,
  padLeft: i32,
): void {
  for (let p: i32 = 0; p < count; p++) {
    const position = first + p;
    const y0 = (position / outW) * sH - padTop;
    const x0 = (position % outW) * sW - padLeft;
    let to = out + (usize(p * stride) << 2);
    const end = to + (usize(stride) << 2);
    const inside = x0 >= 0 && x0 + (kW - 1) * dW < inW;
    for (let c: i32 = 0; c < channels; c++)
      for (let ky: i32 = 0; ky < kH; ky++) {
        const y = y0 + ky * dH;
        if (y < 0 || y >= inH) {
          for (let kx: i32 = 0; kx < kW; kx++) {
            store<i32>(to, 0);
            to += 4;
          }
          continue;
        }
        let from = plane + (usize((c * inH + y) * inW) << 2) + usize(x0 << 2);
        if (inside)
          for (let kx: i32 = 0; kx < kW; kx++) {
            store<i32>(to, load<i32>(from));
            to += 4;
            from += usize(dW) << 2;
          }
        else
          for (let kx: i32 = 0; kx < kW; kx++) {
            const x = x0 + kx * dW;
            store<i32>(to, x >= 0 && x < inW ? load<i32>(plane + (usize((c * inH + y) * inW + x) << 2)) : 0);
            to += 4;
          }
      }
    for (; to < end; to += 4) store<i32>(to, 0);
  }
}
