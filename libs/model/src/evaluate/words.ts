import { realTaps, type Window } from "@parley/plan";

/** 64-bit words as pairs of 32-bit halves, low half first: the memory of a BigInt64Array, without a BigInt per element. */
export type Words = Int32Array;

/** z = floor(x / 2^shift); with `relu`, 0 where x is negative. */
export function shiftRight(x: Words, shift: number, relu: boolean): Words {
  const z = new Int32Array(x.length);
  for (let i = 0; i < x.length; i += 2) {
    const low = x[i];
    const high = x[i + 1];
    if (relu && high < 0) continue;
    if (shift === 0) {
      z[i] = low;
      z[i + 1] = high;
    } else if (shift < 32) {
      z[i] = (low >>> shift) | (high << (32 - shift));
      z[i + 1] = high >> shift;
    } else {
      z[i] = high >> (shift - 32);
      z[i + 1] = high >> 31;
    }
  }
  return z;
}

/** x * 2^shift mod 2^64. */
export function shiftLeft(x: Words, shift: number): Words {
  const z = new Int32Array(x.length);
  for (let i = 0; i < x.length; i += 2) {
    if (shift < 32) {
      z[i] = x[i] << shift;
      z[i + 1] = shift === 0 ? x[i + 1] : (x[i + 1] << shift) | (x[i] >>> (32 - shift));
    } else z[i + 1] = x[i] << (shift - 32);
  }
  return z;
}

/** x[i] += y[i mod length of y], mod 2^64. */
export function addInto(x: Words, y: Words): void {
  for (let i = 0, j = 0; i < x.length; i += 2) {
    addWord(x, i, y, j);
    j += 2;
    if (j === y.length) j = 0;
  }
}

function addWord(x: Words, i: number, y: Words, j: number): void {
  const low = (x[i] >>> 0) + (y[j] >>> 0);
  x[i] = low;
  x[i + 1] = x[i + 1] + y[j + 1] + (low >= 2 ** 32 ? 1 : 0);
}

/** Sum over each window, padding as 0; or the maximum, where padding never wins. x is [planes][inHeight][inWidth]. */
export function pool(x: Words, w: Window, maximum: boolean): Words {
  const inPlane = w.inHeight * w.inWidth;
  const planes = x.length / 2 / inPlane;
  const z = new Int32Array(2 * planes * w.outHeight * w.outWidth);
  let to = 0;
  for (let plane = 0; plane < planes; plane++)
    for (let oy = 0; oy < w.outHeight; oy++) {
      const [top, bottom] = realTaps(oy, w.strideHeight, w.dilationHeight, w.padTop, w.kernelHeight, w.inHeight);
      for (let ox = 0; ox < w.outWidth; ox++) {
        const [left, right] = realTaps(ox, w.strideWidth, w.dilationWidth, w.padLeft, w.kernelWidth, w.inWidth);
        let first = maximum;
        for (let ky = top; ky < bottom; ky++) {
          const row = plane * inPlane + (oy * w.strideHeight - w.padTop + ky * w.dilationHeight) * w.inWidth;
          for (let kx = left; kx < right; kx++) {
            const from = 2 * (row + ox * w.strideWidth - w.padLeft + kx * w.dilationWidth);
            if (!maximum) addWord(z, to, x, from);
            else if (first || isLess(z, to, x, from)) {
              z[to] = x[from];
              z[to + 1] = x[from + 1];
              first = false;
            }
          }
        }
        to += 2;
      }
    }
  return z;
}

const isLess = (a: Words, i: number, b: Words, j: number): boolean =>
  a[i + 1] < b[j + 1] || (a[i + 1] === b[j + 1] && a[i] >>> 0 < b[j] >>> 0);
