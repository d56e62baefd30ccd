import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeOutput, encodeInput, PlanError } from "@parley/plan";
import { describe, expect, it } from "vitest";
import { evaluateFixedPoint } from "./evaluate/evaluate-fixed-point.js";
import { ModelProto, NodeProto, TensorProto } from "./gen/onnx.js";
import { tensorValues, type Constant } from "./onnx/tensor-values.js";
import { OPERATORS } from "./operators/index.js";
import { importOnnx } from "./import-onnx.js";
import { compareWithRuntime } from "./spec-support/onnx-runtime.js";
import { randomValues } from "./spec-support/random-values.js";

/** Public ONNX files: `PARLEY_DATA`, or the folder shared/data beside the repository. */
const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const folder = join(process.env.PARLEY_DATA ?? join(root, "../shared/data"), "onnx");
const present = existsSync(folder);
const why = present ? "" : ` (skipped: no folder of ONNX files; set PARLEY_DATA)`;

interface Case {
  readonly name: string;
  readonly onnx: Uint8Array;
  readonly operators: readonly string[];
  readonly input: Constant;
  readonly expected: Constant;
}

const tensor = (path: string): TensorProto => TensorProto.decode(readFileSync(path));

/**
 * A case with every input but the first made a constant, and 0 added to the first: some cases only rearrange it, which
 * alone is no model.
 */
function readCase(path: string, name: string): Case {
  const model = ModelProto.decode(readFileSync(join(path, "model.onnx")));
  if (!model.graph) throw new TypeError(`${name} has no graph`);
  const data = join(path, "test_data_set_0");
  const constants = new Set(model.graph.initializer.map((initializer) => initializer.name));
  const inputs = model.graph.input.filter((input) => !constants.has(input.name));
  const [first, ...others] = inputs.map((input, i) => ({ ...tensor(join(data, `input_${i}.pb`)), name: input.name }));
  const operators = model.graph.node.map((node) => node.opType);
  const zero = TensorProto.fromPartial({ name: "zero", dataType: 1, rawData: new Uint8Array(4) });
  model.graph.initializer.push(...others, zero);
  for (const node of model.graph.node) node.input = node.input.map((input) => (input === first.name ? "moved" : input));
  model.graph.node.unshift(NodeProto.fromPartial({ opType: "Add", input: [first.name, "zero"], output: ["moved"] }));
  model.graph.input = inputs.slice(0, 1);
  return {
    name,
    onnx: ModelProto.encode(model).finish(),
    operators,
    input: tensorValues(first, "input"),
    expected: tensorValues(tensor(join(data, "output_0.pb")), "output"),
  };
}

const cases = !present
  ? []
  : readdirSync(join(folder, "operator_cases"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name: suite }) =>
        readdirSync(join(folder, "operator_cases", suite)).map((name) =>
          readCase(join(folder, "operator_cases", suite, name), name),
        ),
      );
const isSupported = ({ operators }: Case): boolean => operators.every((operator) => OPERATORS.has(operator));

/** Cases of supported operators that ask for what a private prediction does not have: they are refused, and this is said. */
const REFUSED: Readonly<Record<string, string>> = {
  test_flatten_negative_axis2: "axis = -2",
  test_gemm_all_attributes: "transA = 1",
  test_matmul_1d_3d: "multiplies an activation",
  test_operator_add_size1_right_broadcast: 'attribute "broadcast"',
};

describe.skipIf(!present)(`public ONNX operator cases${why}`, () => {
  it.each(cases.filter((c) => isSupported(c) && !(c.name in REFUSED)))("$name", ({ onnx, input, expected }) => {
    const extent = input.values.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    const { plan, weights } = importOnnx(onnx, { inputSchema: { lo: -extent, hi: extent } });
    const records = input.dims[0];
    const integers = evaluateFixedPoint(plan, weights, encodeInput(plan, input.values, records), records);
    const values = decodeOutput(plan, integers).values.flat();
    expect(values).toHaveLength(expected.values.length);
    values.forEach((value, i) => expect(Math.abs(value - expected.values[i])).toBeLessThan(0.0005 * extent));
  });

  it.each(cases.filter((c) => isSupported(c) && c.name in REFUSED))("$name is refused", ({ onnx, name }) => {
    expect(() => importOnnx(onnx)).toThrow(REFUSED[name]);
  });

  it.each(cases.filter((c) => !isSupported(c)))("$name is refused", ({ onnx }) => {
    expect(() => importOnnx(onnx)).toThrow(PlanError);
  });

  it("mnist-8 equals ONNX Runtime", async () => {
    for (let i = 0; i < 5; i++) {
      const input = randomValues(784, 0, 255).map(Math.round);
      const onnx = readFileSync(join(folder, "mnist-8.onnx"));
      const { runtime, difference } = await compareWithRuntime(onnx, input, 1, {});
      const extent = runtime.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expect(extent).toBeGreaterThan(1);
      expect(difference).toBeLessThan(0.0001 * extent);
    }
  });
});
