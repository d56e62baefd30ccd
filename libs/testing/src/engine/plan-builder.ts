import { randomBytes } from "node:crypto";
import { sizeOf, weightCount } from "@parley/plan";
import type {
  ConvShape,
  Plan,
  ShareKind,
  Step,
  StepWeights,
  Tensor,
  TensorId,
  Weights,
  Width,
  Window,
} from "@parley/plan";

/** Uniform in -2^bits .. 2^bits - 1. */
export function randomIntegers(count: number, bits: number): BigInt64Array {
  const words = new BigUint64Array(new Uint8Array(randomBytes(8 * count)).buffer);
  return BigInt64Array.from(words, (word) => BigInt.asIntN(bits + 1, word));
}

/** Hand-made plans with random weights, step after step. The caller keeps values within the widths. */
export class PlanBuilder {
  private readonly tensors: Tensor[];
  private readonly steps: Step[] = [];
  readonly weights: StepWeights[] = [];

  constructor(
    input: number[],
    private readonly width: Width = 48,
  ) {
    this.tensors = [{ shape: input, scale: 0, modulus: 64 }];
  }

  get last(): TensorId {
    return this.tensors.length - 1;
  }

  shape(tensor: TensorId = this.last): number[] {
    return [...this.tensors[tensor].shape];
  }

  private tensor(shape: number[], modulus: number): TensorId {
    this.tensors.push({ shape, scale: 0, modulus });
    return this.last;
  }

  private push(make: (name: string) => Step, biases: number, weightBits: number, biasBits: number): this {
    const index = this.steps.length;
    this.steps.push(make(`step ${index}`));
    const count = weightCount(this.plan(1), index);
    if (count + biases > 0)
      this.weights.push({
        step: index,
        weights: Int32Array.from(randomIntegers(count, weightBits), Number),
        bias: randomIntegers(biases, biasBits),
      });
    return this;
  }

  dense(outFeatures: number, weightBits = 8, { bias = true, input = this.last } = {}): this {
    const inFeatures = sizeOf(this.tensors[input]);
    const output = this.tensor([outFeatures], this.width);
    const shape = { kind: "dense", inFeatures, outFeatures } as const;
    return this.push(
      (name) => ({ op: "linear", name, input, output, shape, weightScale: 0, weightBits: 32, width: this.width, bias }),
      bias ? outFeatures : 0,
      weightBits,
      weightBits,
    );
  }

  conv(outChannels: number, kernel: number, options: Partial<ConvShape> = {}, weightBits = 8): this {
    const input = this.last;
    const [inChannels, inHeight, inWidth] = this.shape();
    const shape: ConvShape = {
      kind: "conv",
      inChannels,
      outChannels,
      groups: options.groups ?? 1,
      ...slide(inHeight, inWidth, kernel, options),
    };
    const output = this.tensor([outChannels, shape.outHeight, shape.outWidth], this.width);
    return this.push(
      (name) => ({
        op: "linear",
        name,
        input,
        output,
        shape,
        weightScale: 0,
        weightBits: 32,
        width: this.width,
        bias: true,
      }),
      outChannels,
      weightBits,
      weightBits,
    );
  }

  relu(shift: number, share: ShareKind = "offline", modulus: number = this.width): this {
    const input = this.last;
    const output = this.tensor(this.shape(), modulus);
    const { width } = this;
    return this.push((name) => ({ op: "relu", name, gate: "table", input, output, width, shift, share }), 0, 0, 0);
  }

  truncate(shift: number, share: ShareKind = "offline", modulus: number = this.width): this {
    const input = this.last;
    const output = this.tensor(this.shape(), modulus);
    const { width } = this;
    return this.push((name) => ({ op: "truncate", name, gate: "table", input, output, width, shift, share }), 0, 0, 0);
  }

  maxPool(kernel: number, options: Partial<Window> = {}, share: ShareKind = "offline"): this {
    const input = this.last;
    const [channels, height, columns] = this.shape();
    const window = slide(height, columns, kernel, { strideHeight: kernel, strideWidth: kernel, ...options });
    const output = this.tensor([channels, window.outHeight, window.outWidth], this.tensors[input].modulus);
    const { width } = this;
    return this.push(
      (name) => ({ op: "maxpool", name, gate: "table", input, output, channels, window, width, share }),
      0,
      0,
      0,
    );
  }

  sumPool(kernel: number, options: Partial<Window> = {}): this {
    const input = this.last;
    const [channels, height, columns] = this.shape();
    const window = slide(height, columns, kernel, { strideHeight: kernel, strideWidth: kernel, ...options });
    const output = this.tensor([channels, window.outHeight, window.outWidth], this.tensors[input].modulus);
    return this.push((name) => ({ op: "sumpool", name, input, output, channels, window }), 0, 0, 0);
  }

  add(other: TensorId, shifts: readonly [number, number]): this {
    const inputs = [this.last, other] as const;
    const kept = inputs.map((tensor, i) => this.tensors[tensor].modulus + shifts[i]);
    const output = this.tensor(this.shape(), Math.min(64, ...kept));
    return this.push((name) => ({ op: "add", name, inputs, shifts, output }), 0, 0, 0);
  }

  addConstant(bits: number): this {
    const input = this.last;
    const output = this.tensor(this.shape(), this.tensors[input].modulus);
    return this.push((name) => ({ op: "add-constant", name, input, output }), sizeOf(this.tensors[input]), 0, bits);
  }

  plan(outputWidth: number, maxRecords = 128): Plan {
    return {
      format: "parley.plan.v1",
      layout: 1,
      input: { tensor: 0, schema: { lo: 0, hi: 1 } },
      tensors: [...this.tensors],
      steps: [...this.steps],
      output: {
        tensor: this.last,
        policy: { kind: "logits" },
        width: outputWidth,
        scale: 0,
        factor: 1,
        head: "none",
      },
      maxRecords,
    };
  }

  build(outputWidth: number): { plan: Plan; weights: Weights } {
    return { plan: this.plan(outputWidth), weights: this.weights };
  }
}

/** A window over height x width; stride 1 and no padding where the options do not say otherwise. */
function slide(inHeight: number, inWidth: number, kernel: number, options: Partial<Window>): Window {
  const w = {
    kernelHeight: kernel,
    kernelWidth: kernel,
    strideHeight: 1,
    strideWidth: 1,
    dilationHeight: 1,
    dilationWidth: 1,
    padTop: 0,
    padLeft: 0,
    padBottom: 0,
    padRight: 0,
    ...options,
  };
  const out = (size: number, k: number, stride: number, dilation: number, pad: number): number =>
    Math.floor((size + pad - dilation * (k - 1) - 1) / stride) + 1;
  return {
    ...w,
    inHeight,
    inWidth,
    outHeight: out(inHeight, w.kernelHeight, w.strideHeight, w.dilationHeight, w.padTop + w.padBottom),
    outWidth: out(inWidth, w.kernelWidth, w.strideWidth, w.dilationWidth, w.padLeft + w.padRight),
  };
}
