import { PlanError } from "@parley/plan";
import type { AttributeProto, NodeProto } from "../gen/onnx.js";
import { tensorValues, type Constant } from "./tensor-values.js";

/** onnx.AttributeProto.AttributeType; 0 in files of old exporters that left it out. */
const FLOAT = 1;
const INT = 2;
const STRING = 3;
const TENSOR = 4;
const FLOATS = 6;
const INTS = 7;

/** Reads a node's attributes with their defaults, and makes every error name the node. An attribute nobody reads is an error. */
export class NodeReader {
  readonly operator: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly #attributes: ReadonlyMap<string, AttributeProto>;
  readonly #read = new Set<string>();

  constructor(
    node: NodeProto,
    readonly opset: number,
  ) {
    this.operator = printable(node.opType);
    this.name = printable(node.name) || printable(node.output[0] ?? "") || this.operator || "unnamed";
    this.inputs = node.input;
    this.outputs = node.output;
    this.#attributes = new Map(node.attribute.map((attribute) => [attribute.name, attribute]));
  }

  /** "node "conv1" (Conv)" */
  get where(): string {
    return `node "${this.name}" (${this.operator})`;
  }

  refuse(problem: string, hint: string, reason = "UNSUPPORTED_MODEL"): never {
    throw new PlanError(reason, `${this.where} ${problem}`, hint);
  }

  integer(name: string, fallback: number): number {
    const attribute = this.#take(name, INT);
    return attribute ? this.#number(attribute.i, name) : fallback;
  }

  float(name: string, fallback: number): number {
    const attribute = this.#take(name, FLOAT);
    if (attribute && !Number.isFinite(attribute.f))
      this.refuse(`has an attribute ${name} that is not a number`, "Export the model again.", "MALFORMED_ONNX");
    return attribute?.f ?? fallback;
  }

  text(name: string, fallback: string): string {
    const attribute = this.#take(name, STRING);
    return attribute ? printable(new TextDecoder().decode(attribute.s)) : fallback;
  }

  integers(name: string): number[] | undefined {
    return this.#take(name, INTS)?.ints.map((value) => this.#number(value, name));
  }

  floats(name: string): number[] | undefined {
    return this.#take(name, FLOATS)?.floats;
  }

  tensor(name: string): Constant | undefined {
    const attribute = this.#take(name, TENSOR);
    return attribute?.t && tensorValues(attribute.t, `${this.name}.${name}`);
  }

  /** Attributes that change nothing here, such as the ratio of a dropout. */
  ignore(...names: string[]): void {
    for (const name of names) this.#read.add(name);
  }

  end(): void {
    for (const name of this.#attributes.keys())
      if (!this.#read.has(name))
        this.refuse(
          `has the attribute "${printable(name)}", which is not supported`,
          "Export the model without it.",
          "UNSUPPORTED_ATTRIBUTE",
        );
  }

  #take(name: string, type: number): AttributeProto | undefined {
    this.#read.add(name);
    const attribute = this.#attributes.get(name);
    if (attribute && attribute.type !== 0 && attribute.type !== type)
      this.refuse(`has an attribute ${name} of the wrong type`, "Export the model again.", "MALFORMED_ONNX");
    return attribute;
  }

  #number(value: bigint, name: string): number {
    const number = Number(value);
    if (!Number.isSafeInteger(number))
      this.refuse(`has an attribute ${name} out of range`, "Export the model again.", "MALFORMED_ONNX");
    return number;
  }
}

/** Text of a stranger's file for messages and plans: no control characters, of bounded length. */
export function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(/\p{Cc}/gu, " ")
    .trim()
    .slice(0, 128)
    .toWellFormed();
}
