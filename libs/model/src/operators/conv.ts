import { constantInput, optionalConstant, signalInput, type Operator } from "./operator.js";
import { readWindow } from "./window-attributes.js";

/** Conv over one or two dimensions: strides, pads, dilations, groups, auto_pad. */
export const conv: Operator = (context) => {
  const { node } = context;
  const x = signalInput(context, 0);
  const w = constantInput(context, 1);
  const b = optionalConstant(context, 2);
  const groups = node.integer("group", 1);
  const [outChannels, perGroup, ...kernel] = w.dims;
  if (w.dims.length !== x.shape.length + 1 || w.dims.length < 3)
    node.refuse(
      `has weights of shape [${w.dims.join()}] for an activation of shape [N,${x.shape.join()}]`,
      "Supported: one and two dimensions.",
    );
  const { window, channels, outputShape } = readWindow(node, x.shape, kernel);
  if (groups < 1 || perGroup * groups !== channels || outChannels % groups !== 0)
    node.refuse(
      `has ${groups} groups, ${channels} channels and weights of shape [${w.dims.join()}]`,
      "Export the model again.",
      "MALFORMED_ONNX",
    );
  if (b && (b.dims.length !== 1 || b.dims[0] !== outChannels))
    node.refuse(
      `has a bias of shape [${b.dims.join()}] for ${outChannels} channels`,
      "Export the model again.",
      "MALFORMED_ONNX",
    );
  return context.emit(
    {
      op: "linear",
      input: x.id,
      shape: { kind: "conv", inChannels: channels, outChannels, groups, ...window },
      weights: w.values,
      bias: b?.values,
    },
    outputShape(outChannels),
  );
};
