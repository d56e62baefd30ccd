import { FieldReader, integer, malformed } from "./field-reader.js";
import { LIMITS } from "./limits.js";
import { WEIGHT_BITS, WIDTHS, type ConvShape, type DenseShape, type Step, type Window } from "./plan.js";

const DIMENSION = [1, LIMITS.dimension] as const;
const OPS = ["linear", "relu", "truncate", "maxpool", "sumpool", "add", "add-constant"] as const;

function parseWindow(f: FieldReader): Window {
  return {
    inHeight: f.integer("inHeight", ...DIMENSION),
    inWidth: f.integer("inWidth", ...DIMENSION),
    outHeight: f.integer("outHeight", ...DIMENSION),
    outWidth: f.integer("outWidth", ...DIMENSION),
    kernelHeight: f.integer("kernelHeight", ...DIMENSION),
    kernelWidth: f.integer("kernelWidth", ...DIMENSION),
    strideHeight: f.integer("strideHeight", ...DIMENSION),
    strideWidth: f.integer("strideWidth", ...DIMENSION),
    dilationHeight: f.integer("dilationHeight", ...DIMENSION),
    dilationWidth: f.integer("dilationWidth", ...DIMENSION),
    padTop: f.integer("padTop", 0, LIMITS.dimension),
    padLeft: f.integer("padLeft", 0, LIMITS.dimension),
    padBottom: f.integer("padBottom", 0, LIMITS.dimension),
    padRight: f.integer("padRight", 0, LIMITS.dimension),
  };
}

function parseShape(f: FieldReader): DenseShape | ConvShape {
  const kind = f.oneOf("kind", ["dense", "conv"]);
  const shape: DenseShape | ConvShape =
    kind === "dense"
      ? { kind, inFeatures: f.integer("inFeatures", ...DIMENSION), outFeatures: f.integer("outFeatures", ...DIMENSION) }
      : {
          kind,
          inChannels: f.integer("inChannels", ...DIMENSION),
          outChannels: f.integer("outChannels", ...DIMENSION),
          groups: f.integer("groups", ...DIMENSION),
          ...parseWindow(f),
        };
  f.end();
  return shape;
}

/** The fields of step `index`: types and bounds only. Each step writes the tensor after those before it. @throws PlanError */
export function parseStep(json: unknown, path: string, index: number): Step {
  const f = new FieldReader(json, path);
  const op = f.oneOf("op", OPS);
  const name = f.text("name");
  const output = f.integer("output", index + 1, index + 1);
  const step = parseFields(f, op, name, output);
  f.end();
  return step;
}

function parseFields(f: FieldReader, op: Step["op"], name: string, output: number): Step {
  const read = (id: string): number => f.integer(id, 0, output - 1);
  const gate = () => ({
    gate: f.oneOf("gate", ["table"]),
    width: f.oneOf("width", WIDTHS),
    share: f.oneOf("share", ["offline", "online"]),
  });
  const pool = () => {
    const fields = f.object("window");
    const window = parseWindow(fields);
    fields.end();
    return { channels: f.integer("channels", ...DIMENSION), window };
  };
  switch (op) {
    case "linear":
      return {
        op,
        name,
        input: read("input"),
        output,
        shape: parseShape(f.object("shape")),
        weightScale: f.integer("weightScale", 0, LIMITS.weightScale),
        weightBits: f.oneOf("weightBits", WEIGHT_BITS),
        width: f.oneOf("width", WIDTHS),
        bias: f.boolean("bias"),
      };
    case "relu":
    case "truncate":
      return {
        op,
        name,
        input: read("input"),
        output,
        ...gate(),
        shift: f.integer("shift", op === "relu" ? 0 : 1, 60),
      };
    case "maxpool":
      return { op, name, input: read("input"), output, ...gate(), ...pool() };
    case "sumpool":
      return { op, name, input: read("input"), output, ...pool() };
    case "add": {
      const pair = (field: string, most: number): [number, number] => {
        const [first, second, ...more] = f.list(field, 2, (value, path) => integer(value, path, 0, most));
        if (second === undefined || more.length > 0) throw malformed(f.at(field), "two integers");
        return [first, second];
      };
      return { op, name, inputs: pair("inputs", output - 1), shifts: pair("shifts", 62), output };
    }
    case "add-constant":
      return { op, name, input: read("input"), output };
  }
}
