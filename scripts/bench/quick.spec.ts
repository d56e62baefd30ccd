import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";

const SCRIPT = fileURLToPath(new URL("../bench.mjs", import.meta.url));

interface Result {
  readonly network: string;
  readonly batch: number;
  readonly link: string;
  readonly equal: boolean;
  readonly asDeclared: boolean;
}

/** Runs the benchmark in a process of its own, as a person does. */
function bench(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [SCRIPT, ...args]);
  onTestFinished(() => void child.kill("SIGINT")); // also where the test gives up
  let [out, err] = ["", ""];
  child.stdout.on("data", (data: Buffer) => (out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (err += data.toString()));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err })));
}

describe("the quick benchmark", () => {
  it("gives right results with the messages and bytes that the plans declare, in separate processes", async () => {
    const { code, out, err } = await bench("--quick", "--json");
    expect(code, err).toBe(0);
    const { results } = JSON.parse(out) as { results: Result[] };
    expect(results.map(({ network, batch, link }) => `${network} ${batch} ${link}`)).toEqual([
      "A 1 loopback",
      "C 1 loopback",
      "M2 1 loopback",
      "diabetes 1 loopback",
      "A 32 loopback",
      "A 1 lan",
    ]);
    for (const { equal, asDeclared } of results)
      expect({ equal, asDeclared }).toEqual({ equal: true, asDeclared: true });
  }, 300_000);

  it.each([
    [["--network", "Z"], "--network Z: choose from A, B, C"],
    [["--batch", "0"], "--batch 0: give a whole number from 1"],
    [["--runs", "many"], "--runs many: give a whole number"],
    [["--link", "moon"], "--link moon: choose from loopback, lan, wan"],
    [["--fast"], "Unknown option '--fast'"],
  ])("refuses %j and says what to give", async (args, message) => {
    const { code, err } = await bench(...args);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(err).toContain("Usage: npm run bench");
  });
});
