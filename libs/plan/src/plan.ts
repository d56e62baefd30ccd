/**
 * The plan: the public description of one private computation. Both parties, the dealer and the router hold the same
 * plan, byte for byte; its digest stands in the agreement. It holds no weight and no bias.
 *
 * Values are integers. A real `a` at scale `s` is `round(a * 2^s)`. A tensor of a run of n records is laid out record by
 * record, each record row-major (channel, row, column), 64-bit little-endian two's complement words.
 */

/** Widths that a gate or a message may have, in bits. A small published set, because exact widths would depend on weights. */
export const WIDTHS = [32, 40, 48, 56, 62] as const;
export type Width = (typeof WIDTHS)[number];

export const WEIGHT_BITS = [15, 32] as const;
export type WeightBits = (typeof WEIGHT_BITS)[number];
/** Largest magnitude of a weight of 15 bits: two products with a 16-bit limb fit 31 bits. */
export const SHORT_WEIGHT = 2 ** 14 - 1;

/** Index into {@link Plan.tensors}. */
export type TensorId = number;

export interface Tensor {
  /** Shape of one record, without the record dimension, e.g. [20, 24, 24]. */
  readonly shape: readonly number[];
  /** Fractional bits. */
  readonly scale: number;
  /** Shares of this tensor are meaningful modulo 2^modulus (bits, at most 64). */
  readonly modulus: number;
}

/** y[m] = sum_k W[m][k] x[k] + bias[m]; W is [outFeatures][inFeatures]. */
export interface DenseShape {
  readonly kind: "dense";
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/** A window that slides over [channels][inHeight][inWidth]. One-dimensional operators have height 1. */
export interface Window {
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
  readonly padBottom: number;
  readonly padRight: number;
}

/** Cross-correlation as ONNX Conv; W is [outChannels][inChannels / groups][kernelHeight][kernelWidth]. */
export interface ConvShape extends Window {
  readonly kind: "conv";
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
}

/** A linear layer with the server's fixed operand (protocol, section 4). Bias, where `bias`, has one value per output feature or channel, at the output's scale. */
export interface LinearStep {
  readonly op: "linear";
  readonly name: string;
  readonly input: TensorId;
  readonly output: TensorId;
  readonly shape: DenseShape | ConvShape;
  /** Fractional bits of the weights; output scale = input scale + weightScale. */
  readonly weightScale: number;
  /** How the server's kernel reads the weights: 15 promises |W| <= {@link SHORT_WEIGHT}; 32 is any 32-bit integer. */
  readonly weightBits: WeightBits;
  /** The result counts modulo 2^width only. */
  readonly width: Width;
  readonly bias: boolean;
}

/** Kind of comparison gate. "table" is section 5 of the protocol; others may follow. */
export type GateKind = "table";

/** Where P1's share of the first opening is known: before the input ("offline") or only in the run ("online"). */
export type ShareKind = "offline" | "online";

/** z = max(0, floor(y / 2^shift)). */
export interface ReluStep {
  readonly op: "relu";
  readonly name: string;
  readonly gate: GateKind;
  readonly input: TensorId;
  readonly output: TensorId;
  readonly width: Width;
  readonly shift: number;
  readonly share: ShareKind;
}

/** z = floor(y / 2^shift), |y| <= 2^(width-2). */
export interface TruncateStep {
  readonly op: "truncate";
  readonly name: string;
  readonly gate: GateKind;
  readonly input: TensorId;
  readonly output: TensorId;
  readonly width: Width;
  readonly shift: number;
  readonly share: ShareKind;
}

/** Maximum over each window (padding never wins), as a tournament of max(a, b) = b + relu(a - b) without truncation, at the input's scale. */
export interface MaxPoolStep {
  readonly op: "maxpool";
  readonly name: string;
  readonly gate: GateKind;
  readonly input: TensorId;
  readonly output: TensorId;
  readonly channels: number;
  readonly window: Window;
  readonly width: Width;
  /** Of the first level; later levels are always "online". */
  readonly share: ShareKind;
}

/** Sum over each window; padding counts as 0. Local. The factor 1/size is folded into a neighbouring linear layer. */
export interface SumPoolStep {
  readonly op: "sumpool";
  readonly name: string;
  readonly input: TensorId;
  readonly output: TensorId;
  readonly channels: number;
  readonly window: Window;
}

/** z = (a << shifts[0]) + (b << shifts[1]). Local. */
export interface AddStep {
  readonly op: "add";
  readonly name: string;
  readonly inputs: readonly [TensorId, TensorId];
  readonly shifts: readonly [number, number];
  readonly output: TensorId;
}

/** z = x + constant, the constant private to the server, one value per element of a record. Local. */
export interface AddConstantStep {
  readonly op: "add-constant";
  readonly name: string;
  readonly input: TensorId;
  readonly output: TensorId;
}

export type Step = LinearStep | ReluStep | TruncateStep | MaxPoolStep | SumPoolStep | AddStep | AddConstantStep;

/** What the data owner's values must satisfy, checked before anything is spent; the range proofs stand on it. */
export interface InputSchema {
  /** Lowest and highest admitted value: one number for all features, or one per feature of a record (row-major). */
  readonly lo: number | readonly number[];
  readonly hi: number | readonly number[];
  /** How clients read byte files (PNG, IDX): 0..255 mapped linearly onto lo..hi, or, where no range was given, taken as they are. Absent: linear. */
  readonly bytes?: "linear" | "unscaled";
  /** Feature names for tabular data. */
  readonly names?: readonly string[];
}

/** What the client learns. "logits": the integers of the last tensor. */
export type OutputPolicy = { readonly kind: "logits" };

export interface OutputSpec {
  readonly tensor: TensorId;
  readonly policy: OutputPolicy;
  /** Low bits of the result that are revealed; the client sign-extends. */
  readonly width: number;
  /** Fractional bits of the revealed integers. */
  readonly scale: number;
  /** Real value = integer * 2^-scale * factor. 1 unless an average pooling at the end left its divisor to the client. */
  readonly factor: number;
  /** Applied by the client in the clear, over the last dimension of the output. */
  readonly head: "none" | "softmax" | "log-softmax" | "sigmoid";
  /** Class names, where known. */
  readonly labels?: readonly string[];
}

export interface Plan {
  readonly format: "parley.plan.v1";
  /** Layout of messages and correlations that this plan was made for. */
  readonly layout: 1;
  /** Tensor 0 is the input. */
  readonly input: {
    readonly tensor: 0;
    readonly schema: InputSchema;
    /**
     * Where features differ in magnitude: feature i is the integer round(x * 2^(scale of tensor 0 + featureScales[i])), so
     * that all have about the same range. Follows from the schema alone. Absent: 0 for all.
     */
    readonly featureScales?: readonly number[];
  };
  readonly tensors: readonly Tensor[];
  /** In order of execution; each reads tensors written before. */
  readonly steps: readonly Step[];
  readonly output: OutputSpec;
  /** Records of the largest run, a power of two. */
  readonly maxRecords: number;
}

/** Number of elements of one record of a tensor. */
export const sizeOf = (tensor: Tensor): number => tensor.shape.reduce((a, b) => a * b, 1);
