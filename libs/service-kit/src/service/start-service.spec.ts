import { describe, expect, it } from "vitest";
import { drainMs, refuseInspection } from "./start-service.js";

describe("drainMs", () => {
  it("is 30 seconds unless the environment says another time", () => {
    expect([{}, { PARLEY_DRAIN_SECONDS: "" }, { PARLEY_DRAIN_SECONDS: "x" }].map(drainMs)).toEqual([
      30_000, 30_000, 30_000,
    ]);
    expect([{ PARLEY_DRAIN_SECONDS: "5" }, { PARLEY_DRAIN_SECONDS: "0" }].map(drainMs)).toEqual([5_000, 0]);
  });
});

describe("refuseInspection", () => {
  it("refuses, in production only, what opens a window into memory", () => {
    const production = { PARLEY_ENV: "production" };
    refuseInspection(production, ["--import", "x"]);
    refuseInspection({}, ["--inspect"]);
    expect(() => refuseInspection(production, ["--inspect=0"])).toThrow("--inspect=0 is refused in production");
    expect(() => refuseInspection({ ...production, NODE_OPTIONS: "--heapsnapshot-signal=SIGUSR2" }, [])).toThrow(
      "refused",
    );
  });
});
