import { logSoftmax, relu, sigmoid, softmax } from "./activation.js";
import { add } from "./add.js";
import { batchNormalization } from "./batch-normalization.js";
import { conv } from "./conv.js";
import { gemm, matMul } from "./dense.js";
import type { Operator } from "./operator.js";
import { averagePool, globalAveragePool, globalMaxPool, maxPool } from "./pool.js";
import { constant, dropout, flatten, identity, reshape, squeeze, unsqueeze } from "./reshape.js";

/** Every ONNX operator that is supported, by its op_type. */
export const OPERATORS: ReadonlyMap<string, Operator> = new Map(
  Object.entries({
    Add: add,
    AveragePool: averagePool,
    BatchNormalization: batchNormalization,
    Constant: constant,
    Conv: conv,
    Dropout: dropout,
    Flatten: flatten,
    Gemm: gemm,
    GlobalAveragePool: globalAveragePool,
    GlobalMaxPool: globalMaxPool,
    Identity: identity,
    LogSoftmax: logSoftmax,
    MatMul: matMul,
    MaxPool: maxPool,
    Relu: relu,
    Reshape: reshape,
    Sigmoid: sigmoid,
    Softmax: softmax,
    Squeeze: squeeze,
    Unsqueeze: unsqueeze,
  }),
);

/** Operators that may stand behind the client's last step, because they do nothing. */
export const NEUTRAL: ReadonlySet<string> = new Set(["Identity", "Dropout"]);
