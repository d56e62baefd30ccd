import { describe, expect, it } from "vitest";
import { METRICS } from "../libs/service-kit/src/telemetry/names.js";
import { isCurrent, telemetryPage } from "./telemetry.mjs";

describe("docs/telemetry.md", () => {
  it("is what names.ts and variables.ts say", async () => {
    expect(await isCurrent()).toBe(true);
  });

  it("names every metric, and leaves no placeholder", async () => {
    const page = await telemetryPage();
    for (const name of Object.keys(METRICS)) expect(page).toContain(`\`${name}\``);
    expect(page).not.toContain("{{");
  });
});
