import { describe, expect, it } from "vitest";
import { refuseInspection } from "./start-service.js";

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
