import type { Step, Tensor, TensorId, StepWeights } from "@parley/plan";
import type { Ranges } from "./ranges.js";

/** What is known of a value of the network once its step is drafted. */
export interface DraftValue {
  readonly tensor: TensorId;
  readonly scale: number;
  readonly ranges: Ranges;
  /** True since a linear layer and before the next gate: to be truncated before another linear layer reads it. */
  readonly wide: boolean;
}

/** Steps whose linear widths, moduli and share kinds are still open. */
export class Draft {
  readonly steps: Step[] = [];
  readonly tensors: Tensor[] = [];
  readonly weights: StepWeights[] = [];
  readonly ranges: Ranges[] = [];

  constructor(inputShape: readonly number[], inputScale: number, input: Ranges) {
    this.tensors.push({ shape: inputShape, scale: inputScale, modulus: 1 });
    this.ranges.push(input);
  }

  /** Appends a step; `make` gets the id of the tensor it writes. */
  push(make: (output: TensorId) => Step, shape: readonly number[], value: Omit<DraftValue, "tensor">): DraftValue {
    const tensor = this.tensors.length;
    this.steps.push(make(tensor));
    this.tensors.push({ shape, scale: value.scale, modulus: 1 });
    this.ranges.push(value.ranges);
    return { ...value, tensor };
  }
}
