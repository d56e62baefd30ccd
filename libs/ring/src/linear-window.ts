import type { ConvShape } from "./shape.js";

/** One step of a convolution's sums: two weights of a row (`depth` for none), and the bytes from a result's place to their inputs. */
export interface Step {
  readonly first: number;
  readonly second: number;
  readonly offset: number;
}

/**
 * How a group's input lies as planes of pairs with zeros around: two channels share a plane. A last odd channel is paired
 * with itself one tap to the right and, for an odd last column of taps, in one more plane with itself one tap below.
 * `phase` columns of each of `strideWidth` parts make a row.
 */
export interface Planes {
  readonly channels: number;
  readonly height: number;
  readonly phase: number;
  readonly rowBytes: number;
  /** Rows from a tap to that below in the last plane; 0 where there is no such plane. */
  readonly below: number;
  /** Of one limb. */
  readonly bytes: number;
  readonly steps: readonly Step[];
}

/** A 1x1 convolution that keeps the size has one long row: no columns are lost at the ends of rows. */
export function asRow(shape: ConvShape): ConvShape {
  const { inHeight, inWidth, outHeight, outWidth, kernelHeight, kernelWidth, padTop, padLeft } = shape;
  const plain =
    kernelHeight * kernelWidth === 1 && padTop + padLeft === 0 && shape.strideHeight * shape.strideWidth === 1;
  if (!plain || inHeight !== outHeight || inWidth !== outWidth) return shape;
  return { ...shape, inHeight: 1, outHeight: 1, inWidth: inHeight * inWidth, outWidth: outHeight * outWidth };
}

/** @param turn the number of steps is a multiple of it */
export function planesOf(shape: ConvShape, turn: number): Planes {
  const channels = shape.inChannels / shape.groups;
  const { strideWidth, kernelHeight, kernelWidth, dilationHeight, dilationWidth } = shape;
  const reach = (out: number, stride: number, kernel: number, dilation: number) =>
    (out - 1) * stride + (kernel - 1) * dilation + 1;
  const height = Math.max(
    shape.padTop + shape.inHeight,
    reach(shape.outHeight, shape.strideHeight, kernelHeight, dilationHeight),
  );
  const width = Math.max(shape.padLeft + shape.inWidth, reach(shape.outWidth, strideWidth, kernelWidth, dilationWidth));
  const phase = Math.ceil(width / strideWidth);
  const rowBytes = phase * strideWidth * 4;
  const area = kernelHeight * kernelWidth;
  const none = channels * area;
  const pairs = channels >> 1;
  const vertical = channels % 2 === 1 && kernelWidth % 2 === 1 && kernelHeight > 1;
  const steps: Step[] = [];
  const push = (plane: number, c: number, ky: number, kx: number, second: number) => {
    const column = kx * dilationWidth;
    const place = (column % strideWidth) * phase + Math.floor(column / strideWidth);
    const offset = (plane * height + ky * dilationHeight) * rowBytes + place * 4;
    steps.push({ first: c * area + ky * kernelWidth + kx, second, offset });
  };
  for (let c = 0; c < pairs; c++)
    for (let ky = 0; ky < kernelHeight; ky++)
      for (let kx = 0; kx < kernelWidth; kx++) push(c, 2 * c, ky, kx, (2 * c + 1) * area + ky * kernelWidth + kx);
  if (channels % 2) {
    const tap = (ky: number, kx: number) =>
      ky < kernelHeight && kx < kernelWidth ? (channels - 1) * area + ky * kernelWidth + kx : none;
    const last = vertical ? kernelWidth - 1 : kernelWidth;
    for (let ky = 0; ky < kernelHeight; ky++)
      for (let kx = 0; kx < last; kx += 2) push(pairs, channels - 1, ky, kx, tap(ky, kx + 1));
    if (vertical)
      for (let ky = 0; ky < kernelHeight; ky += 2) push(pairs + 1, channels - 1, ky, last, tap(ky + 1, last));
  }
  while (steps.length % turn) steps.push({ first: none, second: none, offset: 0 });
  const count = pairs + (channels % 2) + (vertical ? 1 : 0);
  const bytes = Math.ceil((count * height * rowBytes) / 16) * 16;
  return { channels, height, phase, rowBytes, below: vertical ? dilationHeight : 0, bytes, steps };
}
