import { LIMITS, PlanError } from "@parley/plan";
import type { ModelProto, NodeProto, ValueInfoProto } from "../gen/onnx.js";
import { NodeReader, printable } from "../onnx/node-reader.js";
import { tensorValues } from "../onnx/tensor-values.js";
import { NEUTRAL, OPERATORS } from "../operators/index.js";
import { isSignal, product, type NewLayer, type Operand, type Signal } from "../operators/operator.js";
import type { Layer, Network } from "./network.js";

/** Between 6 and 25 the supported operators changed in the ways that their files here handle; later ones are unknown. */
const OPSETS = { least: 6, most: 25 };
const STANDARD = new Set(["", "ai.onnx"]);
/** onnx.TensorProto.DataType: float, float16, double */
const REAL_TYPES = new Set([1, 10, 11]);

const refuse = (reason: string, message: string, hint: string): never => {
  throw new PlanError(reason, message, hint);
};

/**
 * Translates an ONNX graph node by node.
 * @throws PlanError that names the node, tensor or input
 */
export function buildNetwork(model: ModelProto): Network {
  const graph = model.graph ?? refuse("MALFORMED_ONNX", "the model has no graph", "Export the model to ONNX again.");
  const opset = standardOpset(model);
  const operands = new Map<string, Operand>();
  for (const tensor of graph.initializer) operands.set(tensor.name, tensorValues(tensor, printable(tensor.name)));
  const inputs = graph.input.filter((input) => !operands.has(input.name));
  if (inputs.length !== 1)
    refuse(
      "UNSUPPORTED_MODEL",
      `the graph has ${inputs.length} inputs`,
      "Supported: one input, whose first dimension is the record.",
    );
  if (graph.output.length !== 1)
    refuse("UNSUPPORTED_MODEL", `the graph has ${graph.output.length} outputs`, "Supported: one output.");
  const { batch, shape } = inputShape(inputs[0]);
  const sizes = [product(shape)];
  const layers: Layer[] = [];
  operands.set(inputs[0].name, { id: 0, shape, head: "none" });
  const outputName = graph.output[0].name;
  const nodes = reachable(graph.node, outputName);
  const readNames = new Set([outputName, ...nodes.flatMap((node) => node.input)]);
  for (const proto of nodes) {
    const node = new NodeReader(proto, opset);
    const operator = STANDARD.has(proto.domain) ? OPERATORS.get(proto.opType) : undefined;
    if (operator === undefined) {
      const domain = STANDARD.has(proto.domain) ? "" : ` of the domain "${printable(proto.domain)}"`;
      return node.refuse(
        `is an operator${domain} that is not supported`,
        `Supported: ${[...OPERATORS.keys()].join(", ")}.`,
        "UNSUPPORTED_OPERATOR",
      );
    }
    const given = node.inputs.map((name) => {
      if (name === "") return undefined;
      return (
        operands.get(name) ??
        node.refuse(
          `reads "${printable(name)}", which nothing before it produces`,
          "Export the model again.",
          "MALFORMED_ONNX",
        )
      );
    });
    for (const operand of given)
      if (isSignal(operand) && operand.head !== "none" && !NEUTRAL.has(proto.opType))
        node.refuse(
          `reads the result of ${operand.headNode ?? "the last step"}`,
          "Softmax and Sigmoid are supported as the last node only.",
          "UNSUPPORTED_OPERATOR",
        );
    const emit = (layer: NewLayer, outShape: readonly number[]): Signal => {
      const size = product(outShape);
      if (!(size > 0 && size <= LIMITS.elements))
        node.refuse(
          "has an output that is too large",
          `A record has at most ${LIMITS.elements} values in a layer.`,
          "MODEL_TOO_LARGE",
        );
      const id = sizes.push(size) - 1;
      layers.push({ ...layer, name: node.name, output: id } as Layer);
      return { id, shape: outShape, head: "none" };
    };
    const result = operator({ node, inputs: given, batch, emit, isRead: (name) => name !== "" && readNames.has(name) });
    node.end();
    operands.set(node.outputs[0], result);
  }
  const output = operands.get(outputName);
  if (!isSignal(output))
    return refuse(
      "UNSUPPORTED_MODEL",
      `the output "${printable(outputName)}" is not computed from the input`,
      "Export the model again.",
    );
  if (layers.length === 0)
    refuse(
      "NOTHING_TO_COMPUTE",
      "the model only rearranges its input, or leaves its work to the client",
      "Such a model needs no private prediction.",
    );
  const outputShape = output.shape.length === 0 ? [1] : output.shape;
  return { inputShape: shape, sizes, layers, output: output.id, outputShape, head: output.head, factor: 1 };
}

function standardOpset(model: ModelProto): number {
  const stated = model.opsetImport.find((entry) => STANDARD.has(entry.domain));
  const version = stated ? Number(stated.version) : 0;
  if (version < OPSETS.least || version > OPSETS.most)
    refuse(
      "UNSUPPORTED_OPSET",
      `the model uses ONNX operator set ${version}`,
      `Export with an operator set from ${OPSETS.least} to ${OPSETS.most}.`,
    );
  return version;
}

function inputShape(input: ValueInfoProto): { batch: number | undefined; shape: number[] } {
  const name = printable(input.name);
  const tensor = input.type?.tensorType;
  if (!tensor?.shape || tensor.shape.dim.length === 0)
    return refuse(
      "UNSUPPORTED_MODEL",
      `the input "${name}" has no shape`,
      "Export the model with a shape whose first dimension is the record.",
    );
  if (!REAL_TYPES.has(tensor.elemType))
    refuse("UNSUPPORTED_MODEL", `the input "${name}" is not of floats`, "Export the model with a float input.");
  const dims = tensor.shape.dim.map((dim) =>
    dim.dimValue !== undefined && dim.dimValue > 0n && dim.dimValue <= LIMITS.elements
      ? Number(dim.dimValue)
      : undefined,
  );
  const [batch, ...rest] = dims;
  const shape = rest.map(
    (dim, i) =>
      dim ??
      refuse(
        "UNSUPPORTED_MODEL",
        `dimension ${i + 2} of the input "${name}" is not fixed`,
        "Export the model with all dimensions fixed but the first.",
      ),
  );
  if (shape.length > LIMITS.rank || product(shape) > LIMITS.elements)
    refuse("MODEL_TOO_LARGE", `the input "${name}" is too large`, `A record has at most ${LIMITS.elements} values.`);
  return { batch, shape };
}

/** The nodes that the output depends on, in the file's order. */
function reachable(nodes: readonly NodeProto[], output: string): NodeProto[] {
  const needed = new Set([output]);
  const kept: NodeProto[] = [];
  for (let i = nodes.length - 1; i >= 0; i--) {
    if (!nodes[i].output.some((name) => name !== "" && needed.has(name))) continue;
    for (const name of nodes[i].input) needed.add(name);
    kept.push(nodes[i]);
  }
  return kept.reverse();
}
