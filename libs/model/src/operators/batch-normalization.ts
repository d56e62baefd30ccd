import { constantInput, signalInput, type Operator } from "./operator.js";

/** BatchNormalization in inference: scale (x - mean) / sqrt(variance + epsilon) + B, per channel. */
export const batchNormalization: Operator = (context) => {
  const { node } = context;
  const x = signalInput(context, 0);
  const channels = x.shape[0] ?? 1;
  const parameters = [1, 2, 3, 4].map((index) => constantInput(context, index));
  node.ignore("momentum");
  const epsilon = node.float("epsilon", 1e-5);
  const trains = node.opset < 7 ? node.integer("is_test", 0) === 0 : node.integer("training_mode", 0) !== 0;
  if (trains || node.outputs.some((name, i) => i > 0 && context.isRead(name)))
    node.refuse("is in training mode", "Export the model for inference.", "UNSUPPORTED_ATTRIBUTE");
  if (node.integer("spatial", 1) === 0)
    node.refuse("has spatial = 0", "Normalise per channel.", "UNSUPPORTED_ATTRIBUTE");
  if (parameters.some((parameter) => parameter.values.length !== channels))
    node.refuse(
      `has parameters that are not one per channel, of which there are ${channels}`,
      "Export the model again.",
      "MALFORMED_ONNX",
    );
  const [gamma, beta, mean, variance] = parameters.map((parameter) => parameter.values);
  const scale = gamma.map((value, c) => value / Math.sqrt(variance[c] + epsilon));
  if (!scale.every(Number.isFinite))
    node.refuse("divides by a variance that is not positive", "Train or export the model again.", "NOT_A_NUMBER");
  const shift = beta.map((value, c) => value - mean[c] * scale[c]);
  return context.emit({ op: "affine", input: x.id, scale, shift }, x.shape);
};
