import type { ConvShape } from "./shape.js";

/** One step of a convolution's sums: two weights of a row (`depth` for none), and the bytes from a result's place to their inputs. */
export interface Step {
  readonly first: number;
  readonly second: number;
  readonly offset: number;
}

/**
 * How a group's input lies as planes of pairs with zeros around: two channels share a plane, a last odd channel is paired
 * with itself one tap to the right. `phase` columns of each of `strideWidth` parts make a row.
 */
export interface Planes {
  readonly channels: number;
  readonly height: number;
  readonly phase: number;
  readonly rowBytes: number;
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

export function planesOf(shape: ConvShape): Planes {
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
  const depth = channels * area;
  const steps: Step[] = [];
  for (let c = 0; c < channels; c += 2) {
    const paired = c + 1 < channels;
    for (let ky = 0; ky < kernelHeight; ky++)
      for (let kx = 0; kx < kernelWidth; kx += paired ? 1 : 2) {
        const first = c * area + ky * kernelWidth + kx;
        const column = kx * dilationWidth;
        const place = (column % strideWidth) * phase + Math.floor(column / strideWidth);
        steps.push({
          first,
          second: paired ? first + area : kx + 1 < kernelWidth ? first + 1 : depth,
          offset: ((c >> 1) * height + ky * dilationHeight) * rowBytes + place * 4,
        });
      }
  }
  if (steps.length % 2) steps.push({ first: depth, second: depth, offset: 0 });
  const bytes = Math.ceil((((channels + 1) >> 1) * height * rowBytes) / 16) * 16;
  return { channels, height, phase, rowBytes, bytes, steps };
}
