import { everyWindowIsReal, realTaps, type Window } from "@parley/plan";
import { signalInput, type Operator } from "./operator.js";
import { readWindow } from "./window-attributes.js";

/** MaxPool: padding never wins. Its indices are not supported. */
export const maxPool: Operator = (context) => {
  const { node } = context;
  const x = signalInput(context, 0);
  if (node.outputs.length > 1 && context.isRead(node.outputs[1]))
    node.refuse("has its indices read", "Only the maxima are supported.");
  node.ignore("storage_order"); // orders the indices only
  const { window, channels, outputShape } = readWindow(node, x.shape);
  if (!everyWindowIsReal(window)) node.refuse("has a window over padding alone", "Use smaller pads.");
  return context.emit({ op: "maxpool", input: x.id, channels, window }, outputShape(channels));
};

/** AveragePool: a sum, and what each position divides by. */
export const averagePool: Operator = (context) => {
  const { node } = context;
  const x = signalInput(context, 0);
  const includePad = node.integer("count_include_pad", 0) !== 0;
  const { window, channels, outputShape, overhangs } = readWindow(node, x.shape);
  if (!everyWindowIsReal(window)) node.refuse("has a window over padding alone", "Use smaller pads.");
  if (includePad && overhangs)
    node.refuse(
      "combines ceil_mode with count_include_pad where a window overhangs the padding; runtimes disagree on its divisor",
      "Export with ceil_mode = 0 or count_include_pad = 0.",
      "UNSUPPORTED_ATTRIBUTE",
    );
  const divisors = includePad
    ? new Float64Array(window.outHeight * window.outWidth).fill(window.kernelHeight * window.kernelWidth)
    : realCounts(window);
  return context.emit({ op: "averagepool", input: x.id, channels, window, divisors }, outputShape(channels));
};

/** Real (unpadded) elements under each position of a window, [outHeight][outWidth]. */
export function realCounts(w: Window): Float64Array {
  const counts = new Float64Array(w.outHeight * w.outWidth);
  for (let y = 0; y < w.outHeight; y++) {
    const [top, bottom] = realTaps(y, w.strideHeight, w.dilationHeight, w.padTop, w.kernelHeight, w.inHeight);
    for (let x = 0; x < w.outWidth; x++) {
      const [left, right] = realTaps(x, w.strideWidth, w.dilationWidth, w.padLeft, w.kernelWidth, w.inWidth);
      counts[y * w.outWidth + x] = (bottom - top) * (right - left);
    }
  }
  return counts;
}

/** GlobalAveragePool and GlobalMaxPool: one window over everything, dimensions kept as 1. */
const globalPool =
  (op: "averagepool" | "maxpool"): Operator =>
  (context) => {
    const x = signalInput(context, 0);
    const [channels, ...spatial] = x.shape;
    if (spatial.length !== 1 && spatial.length !== 2)
      context.node.refuse(
        `works on an activation of shape [N,${x.shape.join()}]`,
        "Supported: one and two dimensions.",
      );
    const [height, width] = spatial.length === 1 ? [1, spatial[0]] : spatial;
    const window: Window = {
      inHeight: height,
      inWidth: width,
      outHeight: 1,
      outWidth: 1,
      kernelHeight: height,
      kernelWidth: width,
      strideHeight: 1,
      strideWidth: 1,
      dilationHeight: 1,
      dilationWidth: 1,
      padTop: 0,
      padLeft: 0,
      padBottom: 0,
      padRight: 0,
    };
    const shape = [channels, ...spatial.map(() => 1)];
    return op === "maxpool"
      ? context.emit({ op, input: x.id, channels, window }, shape)
      : context.emit({ op, input: x.id, channels, window, divisors: Float64Array.of(height * width) }, shape);
  };

export const globalAveragePool = globalPool("averagepool");
export const globalMaxPool = globalPool("maxpool");
