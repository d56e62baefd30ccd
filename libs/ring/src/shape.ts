/** y[m] = sum_k W[m][k] x[k]; W is [outFeatures][inFeatures]. */
export interface DenseShape {
  readonly kind: "dense";
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/** A window that slides over [channels][inHeight][inWidth]. */
export interface WindowShape {
  readonly inHeight: number;
  readonly inWidth: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly dilationHeight: number;
  readonly dilationWidth: number;
  readonly padTop: number;
  readonly padLeft: number;
}

/** Cross-correlation as ONNX Conv; W is [outChannels][inChannels / groups][kernelHeight][kernelWidth]. */
export interface ConvShape extends WindowShape {
  readonly kind: "conv";
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
}

export type LinearShape = DenseShape | ConvShape;

/** The shape as a matrix product: `groups` times, `rows` x `depth` by `depth` x `columns`. */
export interface Matrix {
  readonly groups: number;
  /** Output features or channels of a group. */
  readonly rows: number;
  /** Products per output. */
  readonly depth: number;
  /** `depth` rounded up to a multiple of 4. */
  readonly stride: number;
  /** Output positions of a record. */
  readonly columns: number;
  /** Input and output elements of a record. */
  readonly inputs: number;
  readonly outputs: number;
}

export function matrixOf(shape: LinearShape): Matrix {
  if (shape.kind === "dense") {
    const { inFeatures: depth, outFeatures: rows } = shape;
    return { groups: 1, rows, depth, stride: roundUp(depth), columns: 1, inputs: depth, outputs: rows };
  }
  const depth = (shape.inChannels / shape.groups) * shape.kernelHeight * shape.kernelWidth;
  const columns = shape.outHeight * shape.outWidth;
  return {
    groups: shape.groups,
    rows: shape.outChannels / shape.groups,
    depth,
    stride: roundUp(depth),
    columns,
    inputs: shape.inChannels * shape.inHeight * shape.inWidth,
    outputs: shape.outChannels * columns,
  };
}

/** Weights of a shape, row-major. */
export const weightCount = (shape: LinearShape): number => {
  const { groups, rows, depth } = matrixOf(shape);
  return groups * rows * depth;
};

const roundUp = (n: number) => (n + 3) & ~3;
