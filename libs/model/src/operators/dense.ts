import type { NodeReader } from "../onnx/node-reader.js";
import type { Constant } from "../onnx/tensor-values.js";
import { broadcastTo } from "./broadcast.js";
import { constantInput, optionalConstant, product, signalInput, type Operator } from "./operator.js";

/** W[out][in] from a constant matrix that is [in][out], or [out][in] where `transposed`; scaled. */
function denseWeights(
  matrix: Constant,
  transposed: boolean,
  scale: number,
): { weights: Float64Array; inFeatures: number; outFeatures: number } {
  const [inFeatures, outFeatures] = transposed ? [matrix.dims[1], matrix.dims[0]] : matrix.dims;
  const weights = new Float64Array(matrix.values.length);
  for (let o = 0; o < outFeatures; o++)
    for (let i = 0; i < inFeatures; i++)
      weights[o * inFeatures + i] = scale * matrix.values[transposed ? o * inFeatures + i : i * outFeatures + o];
  return { weights, inFeatures, outFeatures };
}

function requireFeatures(node: NodeReader, inFeatures: number, given: number): void {
  if (inFeatures !== given)
    node.refuse(
      `multiplies ${given} features with a matrix for ${inFeatures}`,
      "Export the model again.",
      "MALFORMED_ONNX",
    );
}

/** Gemm: alpha A B + beta C, A the activation [N][in], B and C constants. */
export const gemm: Operator = (context) => {
  const { node } = context;
  const a = signalInput(context, 0);
  const b = constantInput(context, 1);
  const c = optionalConstant(context, 2);
  const alpha = node.float("alpha", 1);
  const beta = node.float("beta", 1);
  if (node.opset < 7) node.ignore("broadcast"); // the bias is broadcast where it has to be
  const transB = node.integer("transB", 0) !== 0;
  if (node.integer("transA", 0) !== 0)
    node.refuse(
      "has transA = 1 on an activation",
      "Records must be rows: export with transA = 0.",
      "UNSUPPORTED_ATTRIBUTE",
    );
  if (a.shape.length !== 1)
    node.refuse(`needs an activation of shape [N, features], not [N,${a.shape.join()}]`, "Flatten it first.");
  if (b.dims.length !== 2)
    node.refuse("needs a constant matrix of two dimensions", "Export the model again.", "MALFORMED_ONNX");
  const { weights, inFeatures, outFeatures } = denseWeights(b, transB, alpha);
  requireFeatures(node, inFeatures, a.shape[0]);
  const bias = c && broadcastTo(c, c.dims.length > 1 ? [1, outFeatures] : [outFeatures])?.map((value) => beta * value);
  if (c && !bias)
    node.refuse(
      `has a bias of shape [${c.dims.join()}] for ${outFeatures} features`,
      "The bias must be the same for every record.",
    );
  return context.emit({ op: "linear", input: a.id, shape: { kind: "dense", inFeatures, outFeatures }, weights, bias }, [
    outFeatures,
  ]);
};

/** MatMul of an activation [N][in] (further dimensions of 1 allowed) with a constant matrix [in][out]. */
export const matMul: Operator = (context) => {
  const { node } = context;
  const a = signalInput(context, 0);
  const b = constantInput(context, 1);
  const matrix = b.dims.length === 1 ? { ...b, dims: [b.dims[0], 1] } : b;
  const given = a.shape.at(-1) ?? 1;
  const leading = a.shape.slice(0, -1);
  if (matrix.dims.length !== 2 || a.shape.length === 0 || product(leading) !== 1)
    node.refuse(
      `multiplies an activation of shape [N,${a.shape.join()}] with a constant of shape [${b.dims.join()}]`,
      "Supported: [N, in] times a constant [in, out].",
    );
  const { weights, inFeatures, outFeatures } = denseWeights(matrix, false, 1);
  requireFeatures(node, inFeatures, given);
  const shape = b.dims.length === 1 ? leading : [...leading, outFeatures];
  return context.emit({ op: "linear", input: a.id, shape: { kind: "dense", inFeatures, outFeatures }, weights }, shape);
};
