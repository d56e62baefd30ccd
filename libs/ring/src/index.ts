export { Ring, allocationBytes, createRing } from "./ring.js";
export type { Kernels } from "./kernels.js";
export { matrixOf, weightCount, type ConvShape, type DenseShape, type LinearShape, type WindowShape } from "./shape.js";
export {
  multiplyAdd,
  operandBytes,
  packOperand,
  scratchBytes,
  type OperandBits,
  type OperandForm,
  type OperandSource,
  type PackedOperand,
} from "./linear.js";
export { GATE_GROUP, GATE_SCRATCH_BYTES, gateSpecBytes, writeGate, type GateChain, type GateLayout } from "./gate.js";
export { couplesOf, type Couples, type Pairs } from "./couples.js";
export type { GateKernels } from "./gate-kernels.js";
/** The gate in plain TypeScript, for tests of whoever uses the kernels. */
export * as referenceGate from "./reference/gate.js";
