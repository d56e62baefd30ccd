export { Ring, allocationBytes, createRing } from "./ring.js";
export type { Kernels } from "./kernels.js";
export { matrixOf, weightCount, type ConvShape, type DenseShape, type LinearShape, type WindowShape } from "./shape.js";
export {
  multiplyAdd,
  operandBytes,
  packOperand,
  scratchBytes,
  type OperandBits,
  type PackedOperand,
} from "./linear.js";
