import { AttributeProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } from "../gen/onnx.js";

/** bigint: an integer; number: a float; number[]: integers; string: text. */
export type AttributeValue = bigint | number | readonly number[] | string;
export type Dimension = number | string;

const FLOAT = 1;
const INT64 = 7;
/** onnx.AttributeProto.AttributeType */
const TYPES = { FLOAT: 1, INT: 2, STRING: 3, INTS: 7 };
const IR_VERSION = 8n;

/** Writes small ONNX models, for tests, benchmarks and examples. The file has one input, "x", and one output. */
export class OnnxBuilder {
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];
  readonly #input: readonly Dimension[];
  readonly #opset: number;

  /** @param input dimensions, the records first; a text is a dimension of any length */
  constructor(input: readonly Dimension[], opset = 13) {
    this.#input = input;
    this.#opset = opset;
  }

  /** Adds a constant tensor of floats, or of 64-bit integers; returns its name. */
  constant(values: ArrayLike<number>, dims: readonly number[], type: "float" | "int64" = "float"): string {
    const name = `c${this.#initializers.length}`;
    const data = type === "float" ? Float32Array.from(values) : BigInt64Array.from(Array.from(values, BigInt));
    this.#initializers.push(
      TensorProto.fromPartial({
        name,
        dims: dims.map(BigInt),
        dataType: type === "float" ? FLOAT : INT64,
        rawData: new Uint8Array(data.buffer),
      }),
    );
    return name;
  }

  /** Adds a node; returns the name of its first output. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    domain = "",
  ): string {
    const output = `v${this.#nodes.length}`;
    const attribute = Object.entries(attributes).map(([name, value]) => encodeAttribute(name, value));
    this.#nodes.push(
      NodeProto.fromPartial({
        name: `n${this.#nodes.length}`,
        opType,
        input: [...inputs],
        output: [output],
        attribute,
        domain,
      }),
    );
    return output;
  }

  /** The file, with `output` as the graph's output. */
  build(output: string): Uint8Array {
    return ModelProto.encode(
      ModelProto.fromPartial({
        irVersion: IR_VERSION,
        producerName: "parley",
        opsetImport: [{ domain: "", version: BigInt(this.#opset) }],
        graph: {
          name: "graph",
          node: this.#nodes,
          initializer: this.#initializers,
          input: [valueInfo("x", this.#input)],
          output: [valueInfo(output)],
        },
      }),
    ).finish();
  }
}

function valueInfo(name: string, dims?: readonly Dimension[]): ValueInfoProto {
  const dim = dims?.map((d) => (typeof d === "number" ? { dimValue: BigInt(d) } : { dimParam: d }));
  return ValueInfoProto.fromPartial({ name, type: { tensorType: { elemType: FLOAT, shape: dim && { dim } } } });
}

function encodeAttribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === "bigint") return AttributeProto.fromPartial({ name, type: TYPES.INT, i: value });
  if (typeof value === "number") return AttributeProto.fromPartial({ name, type: TYPES.FLOAT, f: value });
  if (typeof value === "string")
    return AttributeProto.fromPartial({ name, type: TYPES.STRING, s: new TextEncoder().encode(value) });
  return AttributeProto.fromPartial({ name, type: TYPES.INTS, ints: value.map(BigInt) });
}
