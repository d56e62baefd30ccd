export { importOnnx, type ImportOptions, type Model, type StepRange } from "./import-onnx.js";
export { evaluateFixedPoint } from "./evaluate/evaluate-fixed-point.js";
export { checkWeights, decodeWeights, encodeWeights, weightsCommitment } from "@parley/plan";
export { maskWeights } from "./weights/mask-weights.js";
