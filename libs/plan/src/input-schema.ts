import { FieldReader, finite, list, malformed, text } from "./field-reader.js";
import { LIMITS } from "./limits.js";
import type { InputSchema } from "./plan.js";
import { LARGEST_INPUT_INTEGER, quantise } from "./quantise.js";

/** Admitted where a model is published without a schema. */
export const DEFAULT_SCHEMA: InputSchema = { lo: -256, hi: 256 };

const HINT = "Correct the input schema: lo and hi are one number for all features or one for each.";
const wrong = (path: string, expected: string) => malformed(path, expected, HINT);

function bound(value: unknown, path: string, features: number): number | number[] {
  if (!Array.isArray(value)) return finite(value, path);
  if (value.length !== features) throw wrong(path, `one number, or one for each of the ${features} features`);
  return list(value, path, features, finite);
}

/**
 * An input schema from JSON, for records of `features` values.
 * @throws PlanError INVALID_PLAN that names the field
 */
export function parseInputSchema(json: unknown, features: number, path = "schema"): InputSchema {
  const fields = new FieldReader(json, path);
  const lo = bound(fields.raw("lo"), fields.at("lo"), features);
  const hi = bound(fields.raw("hi"), fields.at("hi"), features);
  const bytes = fields.has("bytes") ? fields.oneOf("bytes", ["linear", "unscaled"]) : undefined;
  const names = fields.has("names") ? fields.list("names", LIMITS.elements, text) : undefined;
  fields.end();
  if (names && names.length !== features)
    throw wrong(fields.at("names"), `one name for each of the ${features} features`);
  if (names && new Set(names).size !== names.length) throw wrong(fields.at("names"), "names that all differ");
  const schema = { lo, hi, ...(bytes && { bytes }), ...(names && { names }) };
  for (let i = 0; i < (Array.isArray(lo) || Array.isArray(hi) ? features : 1); i++) {
    const [least, most] = boundsOf(schema, i);
    if (least > most) throw wrong(`${path}.lo`, `at most ${path}.hi (feature ${i + 1})`);
  }
  return schema;
}

/** Lowest and highest admitted value of a feature, counted from 0. */
export function boundsOf(schema: InputSchema, feature: number): [number, number] {
  const { lo, hi } = schema;
  return [typeof lo === "number" ? lo : lo[feature], typeof hi === "number" ? hi : hi[feature]];
}

/** Fractional bits of a feature, counted from 0. */
export function scaleOf(scale: number, featureScales: readonly number[] | undefined, feature: number): number {
  return scale + (featureScales?.[feature] ?? 0);
}

/** Lowest and highest integer of each feature at its scale. @throws PlanError where they pass 52 bits */
export function integerBounds(
  schema: InputSchema,
  features: number,
  scale: number,
  featureScales?: readonly number[],
): { lo: Float64Array; hi: Float64Array } {
  const lo = new Float64Array(features);
  const hi = new Float64Array(features);
  for (let i = 0; i < features; i++) {
    const [least, most] = boundsOf(schema, i);
    const bits = scaleOf(scale, featureScales, i);
    lo[i] = quantise(least, bits);
    hi[i] = quantise(most, bits);
    if (Math.max(-lo[i], hi[i]) >= LARGEST_INPUT_INTEGER)
      throw wrong(
        `schema.${hi[i] >= LARGEST_INPUT_INTEGER ? "hi" : "lo"}`,
        `below 2^${52 - bits} at scale ${bits} (feature ${i + 1})`,
      );
  }
  return { lo, hi };
}
