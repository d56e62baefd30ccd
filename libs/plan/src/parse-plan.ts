import { checkPlan } from "./check-plan.js";
import { FieldReader, finite, integer, malformed, text } from "./field-reader.js";
import { integerBounds, parseInputSchema } from "./input-schema.js";
import { LIMITS } from "./limits.js";
import { sizeOf, type OutputSpec, type Plan, type Tensor } from "./plan.js";
import { parseStep } from "./parse-step.js";

/**
 * A plan from a stranger: its JSON (text, bytes in UTF-8, or a parsed object). Everything is checked: field by field, no
 * unknown field, then as a whole ({@link checkPlan}). The result is a fresh object.
 * @throws PlanError INVALID_PLAN that names the field or step
 */
export function parsePlan(json: unknown): Plan {
  const f = new FieldReader(parseJson(json), "plan");
  const format = f.oneOf("format", ["parley.plan.v1"]);
  const layout = f.oneOf("layout", [1]);
  const tensors = f.list("tensors", LIMITS.steps + 1, parseTensor);
  if (tensors.length === 0) throw malformed("plan.tensors", "at least the input");
  const input = f.object("input");
  const tensor = input.oneOf("tensor", [0]);
  const schema = parseInputSchema(input.raw("schema"), boundedSize(tensors[0]), input.at("schema"));
  const featureScales = input.has("featureScales") ? parseFeatureScales(input, sizeOf(tensors[0])) : undefined;
  integerBounds(schema, sizeOf(tensors[0]), tensors[0].scale, featureScales);
  input.end();
  const steps = f.list("steps", LIMITS.steps, parseStep);
  const output = parseOutput(f.object("output"), tensors.length);
  const maxRecords = f.integer("maxRecords", 1, LIMITS.maxRecords);
  if (!Number.isInteger(Math.log2(maxRecords))) throw malformed("plan.maxRecords", "a power of two");
  f.end();
  const plan: Plan = {
    format,
    layout,
    input: { tensor, schema, ...(featureScales && { featureScales }) },
    tensors,
    steps,
    output,
    maxRecords,
  };
  checkPlan(plan);
  return plan;
}

function parseJson(json: unknown): unknown {
  if (typeof json !== "string" && !(json instanceof Uint8Array)) return json;
  if (json.length > LIMITS.json) throw malformed("plan", `at most ${LIMITS.json} bytes`);
  try {
    return JSON.parse(typeof json === "string" ? json : new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch {
    throw malformed("plan", "JSON in UTF-8"); // the parser's own message would quote the text
  }
}

function boundedSize(tensor: Tensor): number {
  const size = sizeOf(tensor);
  if (size > LIMITS.elements) throw malformed("plan.tensors[0].shape", `at most ${LIMITS.elements} elements`);
  return size;
}

function parseFeatureScales(f: FieldReader, features: number): number[] {
  const most = LIMITS.featureScale;
  const scales = f.list("featureScales", LIMITS.elements, (value, path) => integer(value, path, -most, most));
  if (scales.length !== features)
    throw malformed(f.at("featureScales"), `one number for each of the ${features} features`);
  return scales;
}

function parseTensor(value: unknown, path: string): Tensor {
  const f = new FieldReader(value, path);
  const tensor = {
    shape: f.list("shape", LIMITS.rank, (v, p) => integer(v, p, 1, LIMITS.dimension)),
    scale: f.integer("scale", 0, LIMITS.scale),
    modulus: f.integer("modulus", 1, 64),
  };
  f.end();
  return tensor;
}

function parseOutput(f: FieldReader, tensors: number): OutputSpec {
  const tensor = f.integer("tensor", 1, tensors - 1);
  const policy = f.object("policy");
  const kind = policy.oneOf("kind", ["logits"]);
  policy.end();
  const factor = finite(f.raw("factor"), f.at("factor"));
  if (!(factor > 0)) throw malformed(f.at("factor"), "above 0");
  const labels = f.has("labels") ? f.list("labels", LIMITS.labels, text) : undefined;
  const output: OutputSpec = {
    tensor,
    policy: { kind },
    width: f.integer("width", 1, 62),
    scale: f.integer("scale", 0, LIMITS.scale),
    factor,
    head: f.oneOf("head", ["none", "softmax", "log-softmax", "sigmoid"]),
    ...(labels && { labels }),
  };
  f.end();
  return output;
}
