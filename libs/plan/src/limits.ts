/** Bounds on a plan from a stranger, so that checking it and serving it cost a bounded amount. */
export const LIMITS = {
  /** Characters of a plan's JSON. */
  json: 64 * 1024 * 1024,
  steps: 4096,
  rank: 8,
  /** Of a shape, kernel, stride or pad. */
  dimension: 2 ** 24,
  /** Elements of one record of a tensor. */
  elements: 2 ** 24,
  /** Elements of one record of all tensors together. */
  allElements: 2 ** 27,
  /** Weights of all linear steps together. */
  weights: 2 ** 28,
  /** Fractional bits of a tensor, and of a step's weights. */
  scale: 62,
  weightScale: 40,
  /** Of a feature's scale to the input's, both ways. */
  featureScale: 40,
  maxRecords: 4096,
  labels: 65_536,
} as const;
