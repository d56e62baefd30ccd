import { describe, expect, it } from "vitest";
import { readOptions } from "./options.mjs";

interface Measurement {
  readonly name: string;
  readonly batch: number;
  readonly link: string;
}
const shown = (list: Measurement[]) => list.map(({ name, batch, link }) => `${name} ${batch} ${link}`);

describe("the options of the benchmark", () => {
  it("without any choose everything on loopback and single records on slower links", () => {
    const { measurements, everything, runs } = readOptions([]);
    expect(everything).toBe(true);
    expect(runs).toBe(300);
    expect(measurements.length).toBe(11 * 3 + 2 * 5);
    expect(shown(measurements)).toContain("thyroid 128 loopback");
    expect(shown(measurements)).toContain("C1 1 wan");
    expect(shown(measurements)).not.toContain("A 32 lan");
  });

  it("cross networks, batches and links that are chosen, in any case of letters", () => {
    const { measurements, everything } = readOptions(["--network", "c1,a", "--batch", "1,32", "--link", "wan"]);
    expect(everything).toBe(false);
    expect(shown(measurements)).toEqual(["C1 1 wan", "C1 32 wan", "A 1 wan", "A 32 wan"]);
  });

  it("take --json with and without a file", () => {
    expect(readOptions(["--json", "--quick"])).toMatchObject({ json: "-", quick: true });
    expect(readOptions(["--json", "out.json", "--runs", "7"])).toMatchObject({ json: "out.json", runs: 7 });
  });

  it("measure no network where only the whole system is wanted", () => {
    expect(readOptions(["--submit", "--network", "A"])).toMatchObject({ measurements: [], measuredNetworks: ["A"] });
    expect(() => readOptions(["--submit", "--engine"])).toThrow("exclude");
  });

  it("measure nothing else beside what telemetry costs", () => {
    expect(readOptions(["--telemetry"])).toMatchObject({ measurements: [], everything: false, telemetry: true });
    expect(() => readOptions(["--telemetry", "--network", "C"])).toThrow("excludes");
  });
});
