import { Code, ParleyError } from "@parley/proto";
import { PlanError, sizeOf, type Plan } from "@parley/plan";

/** Records as read, before a model's input range is applied. */
export interface Dataset {
  /** Records first. */
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: Float64Array;
  /** "bytes": pixel values 0..255 that are mapped onto the model's input range; "real": taken as they are. */
  readonly kind: "real" | "bytes";
  /** Where it came from, for messages. */
  readonly source: string;
}

export const datasetError = (source: string, message: string, hint: string) =>
  new ParleyError(Code.INVALID_ARGUMENT, "DATASET_INVALID", `${source}: ${message}`, hint);

type Nested = readonly number[] | readonly Nested[];

/** A data set from (nested) arrays; the outermost dimension counts records. Throws on ragged arrays and values that are not numbers. */
export function fromArrays(data: Nested): Dataset {
  const shape: number[] = [];
  for (let level: Nested | number = data; Array.isArray(level); level = level[0] as Nested | number)
    shape.push(level.length);
  const flat = (data as unknown[]).flat(Infinity);
  const size = shape.reduce((a, b) => a * b, 1);
  if (!size || flat.length !== size)
    throw datasetError("the array", "is empty or ragged", "Give every record the same number of values.");
  const at = flat.findIndex((v) => typeof v !== "number");
  if (at >= 0) throw datasetError("the array", `value ${at} is not a number`, "Give numbers only.");
  return {
    shape: shape.length === 1 ? [1, shape[0]] : shape,
    values: Float64Array.from(flat as number[]),
    kind: "real",
    source: "the array",
  };
}

/**
 * The records as the plan's input wants them: real values, [records, ...input shape].
 * @throws ParleyError where the number of values per record does not fit.
 */
export function fitToPlan(dataset: Dataset, plan: Plan): { values: Float64Array; records: number } {
  const input = plan.tensors[0];
  const size = sizeOf(input);
  const [first, ...rest] = dataset.shape;
  const perRecord = rest.reduce((a, b) => a * b, 1);
  const single = perRecord !== size && dataset.values.length === size; // one record without its record dimension
  if (perRecord !== size && !single) {
    const got = `${first} records of ${rest.join(" x ") || 1} values`;
    throw datasetError(
      dataset.source,
      `holds ${got}; the model takes records of ${input.shape.join(" x ")} (${size} values)`,
      "Reshape the data, or choose the model that it was made for.",
    );
  }
  const { lo, hi, bytes } = plan.input.schema;
  if (dataset.kind === "real" || bytes === "unscaled") return { values: dataset.values, records: single ? 1 : first };
  const low = (i: number) => (typeof lo === "number" ? lo : lo[i]);
  const high = (i: number) => (typeof hi === "number" ? hi : hi[i]);
  const values = dataset.values.map((v, i) => low(i % size) + ((high(i % size) - low(i % size)) * v) / 255);
  return { values, records: single ? 1 : first };
}

/** A plan's complaint about data as the error that users see. */
export const fromPlanError = (error: unknown): unknown =>
  error instanceof PlanError
    ? new ParleyError(Code.INVALID_ARGUMENT, error.reason, error.message, error.hint, {}, { cause: error })
    : error;
