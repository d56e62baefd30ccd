// Element-wise work on arrays of 64-bit words. Counts are in words; all arrays are 8-byte aligned, with 16 bytes of slack.

/** out[i] = a[i] + b[i] */
export function addWords(out: usize, a: usize, b: usize, count: i32): void {
  const end = (usize(count) << 3) & ~15;
  for (let i: usize = 0; i < end; i += 16) v128.store(out + i, v128.add<i64>(v128.load(a + i), v128.load(b + i)));
  if (count & 1) store<i64>(out + end, load<i64>(a + end) + load<i64>(b + end));
}

/** out[i] = a[i] - b[i] */
export function subWords(out: usize, a: usize, b: usize, count: i32): void {
  const end = (usize(count) << 3) & ~15;
  for (let i: usize = 0; i < end; i += 16) v128.store(out + i, v128.sub<i64>(v128.load(a + i), v128.load(b + i)));
  if (count & 1) store<i64>(out + end, load<i64>(a + end) - load<i64>(b + end));
}

/** out[i] = (a[i] << shiftA) + (b[i] << shiftB), shifts 0 .. 63 */
export function addShifted(out: usize, a: usize, shiftA: i32, b: usize, shiftB: i32, count: i32): void {
  const end = (usize(count) << 3) & ~15;
  for (let i: usize = 0; i < end; i += 16)
    v128.store(
      out + i,
      v128.add<i64>(v128.shl<i64>(v128.load(a + i), shiftA), v128.shl<i64>(v128.load(b + i), shiftB)),
    );
  if (count & 1) store<i64>(out + end, (load<i64>(a + end) << i64(shiftA)) + (load<i64>(b + end) << i64(shiftB)));
}

/** a[i] = the low `bits` bits of a[i] as a signed number, in place, bits 1 .. 64 */
export function signExtendWords(a: usize, bits: i32, count: i32): void {
  const shift = i64(64 - bits);
  for (let i: i32 = 0; i < count; i++) {
    const at = a + (usize(i) << 3);
    store<i64>(at, (load<i64>(at) << shift) >> shift);
  }
}

/** out[i] += values[i mod period]: adds a bias per element of a record to records in a row. */
export function addPeriodic(out: usize, values: usize, period: i32, count: i32): void {
  for (let start: i32 = 0; start < count; start += period) {
    const at = out + (usize(start) << 3);
    addWords(at, at, values, min(period, count - start));
  }
}

/** out[c * area + i] += bias[c]: adds a bias per channel to one record. */
export function addPerChannel(out: usize, bias: usize, channels: i32, area: i32): void {
  for (let c: i32 = 0; c < channels; c++) {
    const value = load<i64>(bias + (usize(c) << 3));
    for (let i: i32 = 0; i < area; i++) {
      const at = out + (usize(c * area + i) << 3);
      store<i64>(at, load<i64>(at) + value);
    }
  }
}

/** Sums over windows of [channels][inHeight][inWidth]; padding counts as 0. */
export function sumPool(
  out: usize,
  words: usize,
  channels: i32,
  inH: i32,
  inW: i32,
  outH: i32,
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
  let to = out;
  for (let c: i32 = 0; c < channels; c++) {
    const plane = words + (usize(c * inH * inW) << 3);
    for (let y: i32 = 0; y < outH; y++)
      for (let x: i32 = 0; x < outW; x++) {
        let sum: i64 = 0;
        for (let ky: i32 = 0; ky < kH; ky++) {
          const iy = y * sH - padTop + ky * dH;
          if (iy < 0 || iy >= inH) continue;
          for (let kx: i32 = 0; kx < kW; kx++) {
            const ix = x * sW - padLeft + kx * dW;
            if (ix >= 0 && ix < inW) sum += load<i64>(plane + (usize(iy * inW + ix) << 3));
          }
        }
        store<i64>(to, sum);
        to += 8;
      }
  }
}
