import { PlanError } from "@parley/plan";
import { ParleyError } from "@parley/proto";
import { describe, expect, it } from "vitest";
import { densePlan } from "../testing/plans.js";
import { fitToPlan, fromArrays, fromPlanError, type Dataset } from "./dataset.js";

const data = (shape: readonly number[], kind: Dataset["kind"] = "real", fill = (i: number) => i): Dataset => ({
  shape,
  values: Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => fill(i)),
  kind,
  source: "x.npy",
});

describe("fromArrays", () => {
  it("takes records of any depth, outermost first", () => {
    expect(
      fromArrays([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
    ).toMatchObject({ shape: [3, 2], kind: "real" });
    expect(fromArrays([[[1], [2]]]).shape).toEqual([1, 2, 1]);
    expect([...fromArrays([[[1, 2]], [[3, 4]]]).values]).toEqual([1, 2, 3, 4]);
  });

  const untyped = (value: unknown) => value as number[];
  it.each<[string, number[] | number[][] | number[][][], string]>([
    ["rows of different lengths", [[1, 2], [3]], "ragged near value 3"],
    ["rows of different lengths with the right sum", [[1, 2], [3], [4, 5, 6]], "ragged near value 3"],
    ["different depths", untyped([[1, 2], 3, 4]), "ragged near value 3"],
    ["a list for a number", untyped([1, [2]]), "value 2 is a list"],
    ["text", untyped([[1, "2"]]), "value 2 is not a number"],
    ["holes", untyped([[1, undefined]]), "value 2 is not a number"],
    ["nothing", [], "empty"],
    ["empty records", [[], []], "empty"],
  ])("refuses %s", (_, arrays, message) => {
    expect(() => fromArrays(arrays)).toThrow(message);
  });
});

describe("fitToPlan", () => {
  const images = densePlan([1, 2, 3]);

  it.each([
    [[5, 6], 5],
    [[5, 2, 3], 5],
    [[5, 1, 2, 3], 5],
    [[5, 2, 3, 1], 5],
    [[1, 2, 3], 1],
    [[2, 3], 1],
    [[6], 1],
    [[1, 6], 1],
  ])("takes shape %j as %i records", (shape, records) => {
    const fitted = fitToPlan(data(shape), images);
    expect(fitted.records).toBe(records);
    expect(fitted.values.length).toBe(6 * records);
  });

  it("takes a list as records of one value where the model has one", () => {
    expect(fitToPlan(data([4]), densePlan([1])).records).toBe(4);
  });

  it.each([
    [[5, 7], "x.npy: holds 5 records of 7; the model takes records of 1 x 2 x 3 (6 values)"],
    [[5], "holds 5 values; the model"],
    [[1, 1, 3, 2], "holds 1 record of 1 x 3 x 2"],
    [[4, 3, 2], "holds 4 records of 3 x 2"],
  ])("refuses shape %j", (shape, message) => {
    expect(() => fitToPlan(data(shape), images)).toThrow(message);
  });

  it("maps bytes linearly onto the range", () => {
    const bytes = data([2, 2], "bytes", (i) => [0, 255, 51, 102][i]);
    expect([...fitToPlan(bytes, densePlan([2], { lo: -1, hi: 1 })).values]).toEqual([
      -1, 1, -0.6, -0.19999999999999996,
    ]);
    expect([...fitToPlan(bytes, densePlan([2], { lo: 0, hi: 255 })).values]).toEqual([0, 255, 51, 102]);
  });

  it("maps bytes onto each feature's own range", () => {
    const bytes = data([2, 2], "bytes", (i) => [0, 255, 255, 0][i]);
    const { values } = fitToPlan(bytes, densePlan([2], { lo: [0, -5], hi: [10, 5] }));
    expect([...values]).toEqual([0, 5, 10, -5]);
  });

  it("leaves bytes unscaled where the model was published without a range, and real values always", () => {
    const plan = densePlan([2], { lo: -256, hi: 256, bytes: "unscaled" });
    expect([
      ...fitToPlan(
        data([1, 2], "bytes", () => 255),
        plan,
      ).values,
    ]).toEqual([255, 255]);
    expect([
      ...fitToPlan(
        data([1, 2], "real", () => 0.5),
        densePlan([2], { lo: -1, hi: 1 }),
      ).values,
    ]).toEqual([0.5, 0.5]);
  });
});

describe("fromPlanError", () => {
  it("keeps reason, message and hint, and leaves other errors alone", () => {
    const error = fromPlanError(new PlanError("OUT_OF_RANGE", "row 1, column 2", "scale it"), "x.npy");
    expect(error).toBeInstanceOf(ParleyError);
    expect(error).toMatchObject({ reason: "OUT_OF_RANGE", message: "x.npy: row 1, column 2", hint: "scale it" });
    const other = new Error("x");
    expect(fromPlanError(other, "x.npy")).toBe(other);
  });
});
