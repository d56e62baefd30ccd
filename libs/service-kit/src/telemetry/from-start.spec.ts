import { afterEach, expect, it } from "vitest";
import { countFromStart } from "./from-start.js";
import { collect, count, forgetMetrics } from "./metrics.js";
import { state } from "./state.js";

afterEach(() => {
  state.metrics = false;
  forgetMetrics();
});

it("counters exist before anything was counted, so that the first time is an increase", async () => {
  state.metrics = true;
  countFromStart("dealer");
  const refusals = async () =>
    (await collect()).get("parley.ledger.refusals")?.map(({ attributes, value }) => ({ ...attributes, value }));
  expect(await refusals()).toEqual([{ where: "dealer", value: 0 }]);
  count("parley.ledger.refusals", { where: "dealer" });
  expect(await refusals()).toEqual([{ where: "dealer", value: 1 }]);
});

it.each(["scheduler", "access-point", "worker", "dealer"])(
  "%s has counters with attributes that are allowed",
  async (name) => {
    state.metrics = true;
    countFromStart(name);
    const series = [...(await collect()).values()].flat();
    expect(series.length).toBeGreaterThan(2);
    expect(series.every(({ value }) => value === 0)).toBe(true);
  },
);
