import { LIMITS, outputLength, type Window } from "@parley/plan";
import type { NodeReader } from "../onnx/node-reader.js";

/** One axis of a window: the pads grow at the end where ceil_mode adds a position. */
interface Axis {
  readonly input: number;
  readonly output: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padBegin: number;
  readonly padEnd: number;
  /** Positions of the end that lie beyond the pads that the file states; ceil_mode only. */
  readonly beyond: number;
}

export interface WindowAttributes {
  readonly channels: number;
  readonly window: Window;
  /** Record shape of the output, with this many channels. */
  outputShape(channels: number): number[];
  /** True where ceil_mode put a window across the end of the stated pads. */
  readonly overhangs: boolean;
}

/**
 * kernel_shape, strides, dilations, pads, auto_pad and ceil_mode of a convolution or pooling over a record of shape
 * [channels, width] or [channels, height, width].
 * @throws PlanError that names the node
 */
export function readWindow(
  node: NodeReader,
  shape: readonly number[],
  kernelShape?: readonly number[],
): WindowAttributes {
  const spatial = shape.slice(1);
  if (spatial.length !== 1 && spatial.length !== 2)
    node.refuse(
      `works on an activation of shape [N,${shape.join()}]`,
      "Supported: [N, channels, length] and [N, channels, height, width].",
    );
  const stated = node.integers("kernel_shape");
  const kernel = stated ?? kernelShape;
  if (kernel === undefined) return node.refuse("lacks kernel_shape", "Export the model again.", "MALFORMED_ONNX");
  if (kernelShape && kernel.some((k, i) => k !== kernelShape[i]))
    node.refuse("has a kernel_shape that is not its weights' shape", "Export the model again.", "MALFORMED_ONNX");
  const numbers = (name: string, count: number, fallback: number, least: number): number[] => {
    const values = node.integers(name) ?? new Array<number>(count).fill(fallback);
    if (values.length !== count || values.some((v) => v < least || v > LIMITS.dimension))
      node.refuse(
        `has impossible ${name} [${values.slice(0, 8).join()}]`,
        `Give ${count} numbers of at least ${least}.`,
        "MALFORMED_ONNX",
      );
    return values;
  };
  const rank = spatial.length;
  if (kernel.length !== rank || kernel.some((k) => k < 1 || k > LIMITS.dimension))
    node.refuse(
      `has an impossible kernel_shape [${kernel.slice(0, 8).join()}]`,
      `Give ${rank} positive numbers.`,
      "MALFORMED_ONNX",
    );
  const strides = numbers("strides", rank, 1, 1);
  const dilations = numbers("dilations", rank, 1, 1);
  const pads = numbers("pads", 2 * rank, 0, 0);
  const autoPad = node.text("auto_pad", "NOTSET") || "NOTSET";
  const ceil = node.integer("ceil_mode", 0) !== 0;
  const axes = spatial.map((input, i): Axis => {
    const axis = { input, kernel: kernel[i], stride: strides[i], dilation: dilations[i] };
    const reach = axis.dilation * (axis.kernel - 1) + 1;
    if (autoPad === "SAME_UPPER" || autoPad === "SAME_LOWER") {
      const output = Math.ceil(input / axis.stride);
      const total = Math.max(0, (output - 1) * axis.stride + reach - input);
      const small = Math.floor(total / 2);
      const padBegin = autoPad === "SAME_UPPER" ? small : total - small;
      return { ...axis, output, padBegin, padEnd: total - padBegin, beyond: 0 };
    }
    if (autoPad !== "NOTSET" && autoPad !== "VALID")
      return node.refuse(
        `has auto_pad "${autoPad}"`,
        "Supported: NOTSET, SAME_UPPER, SAME_LOWER, VALID.",
        "UNSUPPORTED_ATTRIBUTE",
      );
    const [padBegin, padEnd] = autoPad === "VALID" ? [0, 0] : [pads[i], pads[rank + i]];
    const floor = outputLength(input, axis.kernel, axis.stride, axis.dilation, padBegin + padEnd);
    if (Number.isNaN(floor))
      return node.refuse(
        "has a kernel that is larger than its padded input",
        "Export the model again.",
        "MALFORMED_ONNX",
      );
    const output = ceil ? Math.ceil((input + padBegin + padEnd - reach) / axis.stride) + 1 : floor;
    const beyond = Math.max(0, (output - 1) * axis.stride + reach - (input + padBegin + padEnd));
    return { ...axis, output, padBegin, padEnd: padEnd + beyond, beyond };
  });
  const none: Axis = { input: 1, output: 1, kernel: 1, stride: 1, dilation: 1, padBegin: 0, padEnd: 0, beyond: 0 };
  const [height, width] = rank === 1 ? [none, axes[0]] : axes;
  const window: Window = {
    inHeight: height.input,
    inWidth: width.input,
    outHeight: height.output,
    outWidth: width.output,
    kernelHeight: height.kernel,
    kernelWidth: width.kernel,
    strideHeight: height.stride,
    strideWidth: width.stride,
    dilationHeight: height.dilation,
    dilationWidth: width.dilation,
    padTop: height.padBegin,
    padLeft: width.padBegin,
    padBottom: height.padEnd,
    padRight: width.padEnd,
  };
  const outputShape = (channels: number): number[] => [channels, ...axes.map((axis) => axis.output)];
  return { channels: shape[0], window, outputShape, overhangs: axes.some((axis) => axis.beyond > 0) };
}
