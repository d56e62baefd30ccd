import { PlanError } from "./error.js";
import { boundsOf, scaleOf } from "./input-schema.js";
import { sizeOf, type Plan } from "./plan.js";
import { quantise } from "./quantise.js";

/**
 * Checks a data owner's values against the plan's input schema and brings them to the input's scale.
 * @param values `records` rows of real values, row-major, each of the input's size
 * @returns scaled integers, 64-bit little-endian words in memory
 * @throws PlanError WRONG_SHAPE, NOT_A_NUMBER or OUT_OF_RANGE that names row and column (from 1), never the value
 */
export function encodeInput(plan: Plan, values: Float64Array, records: number): BigInt64Array {
  const tensor = plan.tensors[0];
  const features = sizeOf(tensor);
  if (!Number.isSafeInteger(records) || records < 1 || values.length !== records * features)
    throw new PlanError(
      "WRONG_SHAPE",
      `${values.length} values are not ${records} record(s) of ${features} values (shape ${tensor.shape.join("x")})`,
      `Give ${features} values for each record.`,
    );
  const { schema, featureScales } = plan.input;
  const [oneLo, oneHi] = boundsOf(schema, 0);
  const perFeature = typeof schema.lo !== "number" || typeof schema.hi !== "number";
  const words = new BigInt64Array(values.length);
  const halves = new Int32Array(words.buffer); // little-endian: low half first; Node runs on nothing else
  let feature = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const [lo, hi] = perFeature ? boundsOf(schema, feature) : [oneLo, oneHi];
    if (!(value >= lo && value <= hi)) refuse(plan, value, i, features);
    const integer = quantise(value, featureScales ? scaleOf(tensor.scale, featureScales, feature) : tensor.scale);
    halves[2 * i] = integer; // modulo 2^32
    halves[2 * i + 1] = Math.floor(integer / 2 ** 32);
    if (++feature === features) feature = 0;
  }
  return words;
}

function refuse(plan: Plan, value: number, index: number, features: number): never {
  const { schema } = plan.input;
  const feature = index % features;
  const name = schema.names?.[feature];
  const place = `row ${Math.floor(index / features) + 1}, column ${feature + 1}${name === undefined ? "" : ` (${name})`}`;
  if (Number.isNaN(value))
    throw new PlanError("NOT_A_NUMBER", `${place}: not a number`, "Fill in or leave out rows with missing values.");
  const [lo, hi] = boundsOf(schema, feature);
  throw new PlanError(
    "OUT_OF_RANGE",
    `${place}: ${value < lo ? "below" : "above"} the admitted range, ${lo} to ${hi}`,
    "Bring the values to the range that the model was published for (scaling, units).",
  );
}
