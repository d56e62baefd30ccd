import type { Window } from "./plan.js";

/** Positions of a window along one axis, or NaN where the padded input is shorter than the kernel's reach. */
export function outputLength(input: number, kernel: number, stride: number, dilation: number, pads: number): number {
  const room = input + pads - (dilation * (kernel - 1) + 1);
  return room < 0 ? Number.NaN : Math.floor(room / stride) + 1;
}

/** True where a window's output dimensions are what its kernel, strides, dilations and pads give. */
export function fitsWindow(w: Window): boolean {
  return (
    w.outHeight ===
      outputLength(w.inHeight, w.kernelHeight, w.strideHeight, w.dilationHeight, w.padTop + w.padBottom) &&
    w.outWidth === outputLength(w.inWidth, w.kernelWidth, w.strideWidth, w.dilationWidth, w.padLeft + w.padRight)
  );
}

/**
 * The real (unpadded) taps of the window's position `out` along one axis: taps first <= t < last. With dilations the taps
 * between may not be contiguous in the input, but they are in t.
 */
export function realTaps(
  out: number,
  stride: number,
  dilation: number,
  pad: number,
  kernel: number,
  input: number,
): [number, number] {
  const origin = out * stride - pad;
  const first = Math.max(0, Math.ceil(-origin / dilation));
  const last = Math.min(kernel, Math.floor((input - 1 - origin) / dilation) + 1);
  return [first, Math.max(first, last)];
}

/** True where every position of the window sees at least one real element; a maximum over padding alone has no value. */
export function everyWindowIsReal(w: Window): boolean {
  const real = (outputs: number, ...axis: [number, number, number, number, number]): boolean =>
    Array.from({ length: outputs }, (_, out) => realTaps(out, ...axis)).every(([first, last]) => last > first);
  return (
    real(w.outHeight, w.strideHeight, w.dilationHeight, w.padTop, w.kernelHeight, w.inHeight) &&
    real(w.outWidth, w.strideWidth, w.dilationWidth, w.padLeft, w.kernelWidth, w.inWidth)
  );
}
