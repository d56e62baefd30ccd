import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { planDigest } from "./digest.js";
import { PlanError } from "./error.js";
import { parsePlan } from "./parse-plan.js";
import { examplePlan } from "./spec-support/example-plan.js";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const copy = (): { [key: string]: Json } => JSON.parse(JSON.stringify(examplePlan));

/** Sets a field of a copy of the example by its path, or deletes it. */
function changed(path: string, value: Json | undefined): Json {
  const plan = copy();
  const keys = path.split(".");
  let at: Json = plan;
  for (const key of keys.slice(0, -1)) at = (at as { [key: string]: Json })[key];
  const holder = at as { [key: string]: Json };
  const last = keys[keys.length - 1];
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return plan;
}

/** Every leaf and every object of a JSON value, as paths. */
function paths(value: Json, path: string[] = []): string[] {
  if (typeof value !== "object" || value === null) return [path.join(".")];
  const below = Object.entries(value).flatMap(([key, inner]) => paths(inner, [...path, key]));
  return path.length > 0 ? [path.join("."), ...below] : below;
}

const OPTIONAL = "output.labels";

describe("parsePlan", () => {
  it("returns an equal plan from an object, a text and bytes", () => {
    const text = JSON.stringify(examplePlan);
    for (const form of [copy(), text, new TextEncoder().encode(text)]) expect(parsePlan(form)).toEqual(examplePlan);
  });

  it.each(paths(copy()))("refuses a plan without, or with another type of, %s", (path) => {
    if (path !== OPTIONAL) expect(() => parsePlan(changed(path, undefined))).toThrow(PlanError);
    for (const wrong of [null, [], {}, "x", true, 1.5, -1, Number.NaN]) {
      try {
        const plan = changed(path, wrong);
        const parsed = parsePlan(plan);
        // some fields may have another value of their type: then the plan is another one, and says so
        if (!isDeepStrictEqual(plan, copy())) expect(planDigest(parsed)).not.toEqual(planDigest(examplePlan));
        expect(path).toMatch(/name|schema|labels|factor|bias/);
      } catch (error) {
        if (!(error instanceof PlanError)) throw error;
      }
    }
  });

  it.each<[string, Json, string]>([
    ["extra", 1, "plan.extra"],
    ["steps.0.extra", 1, "plan.steps[0].extra"],
    ["steps.0.shape.extra", 1, "plan.steps[0].shape.extra"],
    ["steps.0.width", 33, "plan.steps[0].width"],
    ["steps.0.output", 2, "plan.steps[0].output"],
    ["steps.0.input", 1, "plan.steps[0].input"],
    ["steps.0.shape.outWidth", 7, 'plan.steps[0] ("conv").shape'],
    ["steps.0.shape.groups", 2, 'plan.steps[0] ("conv").shape.groups'],
    ["steps.0.weightScale", 19, 'plan.steps[0] ("conv"): scale of the output'],
    ["steps.0.width", 32, 'plan.steps[0] ("conv"): modulus of the output'],
    ["steps.1.share", "online", 'plan.steps[1] ("pool").share'],
    ["steps.2.share", "offline", 'plan.steps[2] ("relu").share'],
    ["steps.2.shift", 60, 'plan.steps[2] ("relu").shift'],
    ["steps.2.width", 56, 'plan.steps[2] ("relu"): modulus of tensor 2'],
    ["steps.2.gate", "free", "plan.steps[2].gate"],
    ["steps.1.window.padTop", 2, 'plan.steps[1] ("pool").window'],
    ["steps.4.inputs", [4], "plan.steps[4].inputs"],
    ["steps.4.shifts", [0, 1], 'plan.steps[4] ("add"): scale of the output'],
    ["steps.3.name", "evil\nline", "plan.steps[3].name"],
    ["tensors.0.shape", [1, 6, 2 ** 25], "plan.tensors[0].shape[2]"],
    ["tensors.0.modulus", 65, "plan.tensors[0].modulus"],
    ["tensors.1.modulus", 8, 'plan.steps[1] ("pool"): modulus of tensor 1'],
    ["output.width", 49, "plan.output.width"],
    ["output.scale", 35, "plan.output.scale"],
    ["output.factor", 0, "plan.output.factor"],
    ["output.labels", ["one"], "plan.output.labels"],
    ["output.tensor", 3, "plan.tensors[5]"],
    ["output.policy.kind", "label", "plan.output.policy.kind"],
    ["input.schema.lo", 2, "plan.input.schema.lo"],
    ["input.schema.hi", 2 ** 40, "schema.hi"],
    ["input.schema.lo", [0], "plan.input.schema.lo"],
    ["input.featureScales", [1, 2], "plan.input.featureScales"],
    ["input.featureScales", new Array<Json>(36).fill(0.5), "plan.input.featureScales[0]"],
    ["input.featureScales", new Array<Json>(36).fill(40), "schema.hi"],
    ["maxRecords", 3, "plan.maxRecords"],
    ["maxRecords", 8192, "plan.maxRecords"],
    ["format", "parley.plan.v2", "plan.format"],
  ])("%s = %j is refused at %s", (path, value, where) => {
    expect(() => parsePlan(changed(path, value))).toThrow(where);
  });

  it("refuses what is not JSON, without quoting it", () => {
    for (const text of ["", "{", "null", "[]", '{"secret']) {
      expect(() => parsePlan(text)).toThrow(PlanError);
      expect(() => parsePlan(text)).not.toThrow("secret");
    }
    expect(() => parsePlan(Uint8Array.of(0xff, 0xfe))).toThrow("JSON in UTF-8");
  });
});
