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

/** A data set from (nested) arrays; the outermost dimension counts records. @throws ParleyError on ragged arrays and values that are not numbers */
export function fromArrays(data: Nested): Dataset {
  const shape: number[] = [];
  for (let level: Nested | number = data; Array.isArray(level); level = level[0] as Nested | number)
    shape.push(level.length);
  const flat: number[] = [];
  collect(data, shape, 0, flat);
  if (!flat.length) throw datasetError("the array", "is empty", "Give at least one record.");
  return { shape, values: Float64Array.from(flat), kind: "real", source: "the array" };
}

function collect(level: unknown, shape: readonly number[], depth: number, flat: number[]) {
  if (depth === shape.length) {
    if (typeof level !== "number")
      throw datasetError(
        "the array",
        `value ${flat.length + 1} is ${Array.isArray(level) ? "a list" : "not a number"}`,
        "Give numbers only, all records of the same shape.",
      );
    flat.push(level);
    return;
  }
  if (!Array.isArray(level) || level.length !== shape[depth])
    throw datasetError(
      "the array",
      `is ragged near value ${flat.length + 1}`,
      "Give every record the same number of values.",
    );
  for (const inner of level) collect(inner, shape, depth + 1, flat);
}

/**
 * The records as the plan's input wants them: real values, [records, ...input shape]. Flat records fit any shape of as
 * many values; records with a shape of their own must have the model's, up to dimensions of 1. One record may come
 * without its record dimension.
 * @throws ParleyError where the records do not fit
 */
export function fitToPlan(dataset: Dataset, plan: Plan): { values: Float64Array; records: number } {
  const input = plan.tensors[0];
  const size = sizeOf(input);
  const [first, ...rest] = dataset.shape;
  const perRecord = rest.reduce((a, b) => a * b, 1);
  const single = perRecord !== size && dataset.values.length === size;
  if ((perRecord !== size && !single) || !sameShape(single ? dataset.shape : rest, input.shape)) {
    const got = rest.length
      ? `holds ${first} record${first === 1 ? "" : "s"} of ${rest.join(" x ")}`
      : `holds ${first} values`;
    const wanted = `${input.shape.join(" x ")}${input.shape.length > 1 ? ` (${size} values)` : ""}`;
    throw datasetError(
      dataset.source,
      `${got}; the model takes records of ${wanted}`,
      "Reshape the data, or choose the model that it was made for.",
    );
  }
  return { values: toRange(dataset, plan, size), records: single ? 1 : first };
}

function sameShape(own: readonly number[], wanted: readonly number[]): boolean {
  const [a, b] = [own, wanted].map((shape) => shape.filter((d) => d !== 1));
  return a.length < 2 || b.length < 2 || a.join() === b.join();
}

/** Bytes 0..255 are mapped linearly onto each feature's range, unless the model takes them unscaled. */
function toRange(dataset: Dataset, plan: Plan, size: number): Float64Array {
  const { lo, hi, bytes } = plan.input.schema;
  if (dataset.kind === "real" || bytes === "unscaled") return dataset.values;
  const low = (i: number) => (typeof lo === "number" ? lo : lo[i]);
  const high = (i: number) => (typeof hi === "number" ? hi : hi[i]);
  return dataset.values.map((v, i) => low(i % size) + ((high(i % size) - low(i % size)) * v) / 255);
}

/** A plan's complaint about data from `source` as the error that users see. */
export const fromPlanError = (error: unknown, source: string): unknown =>
  error instanceof PlanError
    ? new ParleyError(
        Code.INVALID_ARGUMENT,
        error.reason,
        `${source}: ${error.message}`,
        error.hint,
        {},
        { cause: error },
      )
    : error;
