export { importOnnx, type ImportOptions, type Model, type StepRange } from "./import-onnx.js";
export { evaluateFixedPoint } from "./evaluate/evaluate-fixed-point.js";
export { checkWeights } from "./weights/check-weights.js";
export { decodeWeights, encodeWeights, weightsCommitment } from "./weights/codec.js";
export { maskWeights } from "./weights/mask-weights.js";
