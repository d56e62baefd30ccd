import { createCipheriv, createHash } from "node:crypto";
import { OnnxBuilder } from "@parley/model/onnx-builder";
import type { InputSchema } from "@parley/plan";

/** A network of the literature with random weights, as an ONNX file: for benchmarks and tests of shapes, not of accuracy. */
export interface RandomNetwork {
  readonly name: string;
  readonly onnx: Uint8Array;
  readonly inputSchema: InputSchema;
  /** Shape of one record. */
  readonly inputShape: readonly number[];
}

/** Weights from a seed, the same on every machine, uniform with rows of about the given 1-norm. */
class RandomWeights {
  readonly #cipher;
  constructor(seed: string) {
    const key = createHash("sha256").update(`parley network ${seed}`).digest();
    this.#cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  }

  /** Values in (-limit, limit). */
  take(count: number, limit: number): Float32Array {
    const bytes = this.#cipher.update(Buffer.alloc(4 * count));
    return Float32Array.from({ length: count }, (_, i) => (bytes.readInt32LE(4 * i) / 2 ** 31) * limit);
  }
}

/** The 1-norm of a row: keeps a deep network's values, and so the proven ranges, within bounds. */
const ROW_NORM = 4;

type Layer =
  | { readonly fc: number; readonly relu?: boolean }
  | { readonly conv: number; readonly kernel: number; readonly pad?: number; readonly relu?: boolean }
  | { readonly max: number; readonly relu?: boolean }
  | { readonly average: number };

function build(
  name: string,
  inputShape: readonly number[],
  layers: readonly Layer[],
  schema: InputSchema,
): RandomNetwork {
  const builder = new OnnxBuilder(["N", ...inputShape]);
  const random = new RandomWeights(name);
  const weight = (rows: number, each: number, dims: readonly number[]): string =>
    builder.constant(random.take(rows * each, (2 * ROW_NORM) / each), dims);
  const bias = (rows: number): string => builder.constant(random.take(rows, 0.5), [rows]);
  let value = "x";
  let [channels, height, width] = [inputShape[0], inputShape[1] ?? 1, inputShape[2] ?? 1];
  let flat = inputShape.length === 1;
  for (const layer of layers) {
    if ("fc" in layer) {
      const features = channels * height * width;
      if (!flat) value = builder.node("Flatten", [value]);
      flat = true;
      value = builder.node("Gemm", [value, weight(layer.fc, features, [layer.fc, features]), bias(layer.fc)], {
        transB: 1n,
      });
      [channels, height, width] = [layer.fc, 1, 1];
    } else if ("conv" in layer) {
      const { conv, kernel, pad = 0 } = layer;
      const weights = weight(conv, channels * kernel * kernel, [conv, channels, kernel, kernel]);
      value = builder.node("Conv", [value, weights, bias(conv)], {
        kernel_shape: [kernel, kernel],
        pads: [pad, pad, pad, pad],
      });
      [channels, height, width] = [conv, height + 2 * pad - kernel + 1, width + 2 * pad - kernel + 1];
    } else {
      const size = "max" in layer ? layer.max : layer.average;
      const window = { kernel_shape: [size, size], strides: [size, size] };
      value = builder.node("max" in layer ? "MaxPool" : "AveragePool", [value], window);
      [height, width] = [Math.floor(height / size), Math.floor(width / size)];
    }
    if ("relu" in layer && layer.relu) value = builder.node("Relu", [value]);
  }
  return { name, onnx: builder.build(builder.node("Softmax", [value])), inputSchema: schema, inputShape };
}

const relu = true;
const IMAGE: InputSchema = { lo: 0, hi: 1 };
const STANDARDISED: InputSchema = { lo: -8, hi: 8 };
const MNIST = [1, 28, 28];

const dense = (name: string, ...[inputs, ...sizes]: number[]): RandomNetwork =>
  build(
    name,
    [inputs],
    sizes.map((fc, i) => ({ fc, relu: i < sizes.length - 1 })),
    STANDARDISED,
  );

const conv3 = { kernel: 3, pad: 1, relu };

const BUILDERS = {
  A: () => build("A", MNIST, [{ fc: 128, relu }, { fc: 128, relu }, { fc: 10 }], IMAGE),
  B: () => build("B", MNIST, [{ conv: 16, kernel: 5 }, { max: 2, relu }, { fc: 100, relu }, { fc: 10 }], IMAGE),
  C: () =>
    build(
      "C",
      MNIST,
      [
        { conv: 20, kernel: 5, relu },
        { max: 2 },
        { conv: 50, kernel: 5, relu },
        { max: 2 },
        { fc: 500, relu },
        { fc: 10 },
      ],
      IMAGE,
    ),
  D: () =>
    build(
      "D",
      [3, 32, 32],
      [
        { conv: 36, kernel: 5 },
        { max: 2, relu },
        { conv: 36, kernel: 5 },
        { max: 2, relu },
        { fc: 72, relu },
        { fc: 2 },
      ],
      IMAGE,
    ),
  M1: () => build("M1", MNIST, [{ fc: 128, relu }, { fc: 128, relu }, { fc: 10 }], IMAGE),
  M2: () =>
    build(
      "M2",
      MNIST,
      [
        { conv: 16, kernel: 5, relu },
        { average: 2 },
        { conv: 16, kernel: 5, relu },
        { average: 2 },
        { fc: 100, relu },
        { fc: 10 },
      ],
      IMAGE,
    ),
  C1: () =>
    build(
      "C1",
      [3, 32, 32],
      [
        { conv: 64, ...conv3 },
        { conv: 64, ...conv3 },
        { average: 2 },
        { conv: 64, ...conv3 },
        { conv: 64, ...conv3 },
        { average: 2 },
        { conv: 64, ...conv3 },
        { conv: 64, kernel: 1, relu },
        { conv: 16, kernel: 1, relu },
        { fc: 10 },
      ],
      IMAGE,
    ),
  "breast-cancer": () => dense("breast-cancer", 30, 16, 16, 2),
  diabetes: () => dense("diabetes", 8, 20, 20, 2),
  liver: () => dense("liver", 10, 32, 32, 2),
  thyroid: () => dense("thyroid", 21, 16, 16, 3),
} as const satisfies Record<string, () => RandomNetwork>;

export type NetworkName = keyof typeof BUILDERS;
export const NETWORK_NAMES = Object.keys(BUILDERS) as readonly NetworkName[];

/** Architecture of the name with random weights from a fixed seed. */
export const randomNetwork = (name: NetworkName): RandomNetwork => BUILDERS[name]();
