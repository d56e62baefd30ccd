/** The model owner's secret operands of one step of a plan. Never leaves the model owner. */
export interface StepWeights {
  /** Index into Plan.steps. */
  readonly step: number;
  /** Row-major, in the order that the step's shape gives; empty for an add-constant step. */
  readonly weights: Int32Array;
  /** One per output feature or channel (linear), or one per element (add-constant); at the output's scale. Empty where the step has none. */
  readonly bias: BigInt64Array;
}

export type Weights = readonly StepWeights[];
