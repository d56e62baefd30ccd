import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { repository } from "../system/index.js";
import { missing } from "./fixture.js";

interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly pid: number;
}

/** Runs a script of the repository under this Node; `interrupt`: sends SIGINT when this text appears. */
function run(script: string, args: readonly string[], interrupt?: string): Promise<Finished> {
  const child = spawn(process.execPath, [join(repository, "scripts", script), ...args], { cwd: repository });
  let [out, err] = ["", ""];
  const watch = (text: string) => {
    if (interrupt && text.includes(interrupt)) child.kill("SIGINT");
  };
  child.stdout.on("data", (data: Buffer) => watch((out += data.toString())));
  child.stderr.on("data", (data: Buffer) => watch((err += data.toString())));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err, pid: child.pid ?? 0 })));
}

/** Processes whose command line names a service of this repository and whose parent was `pid`, or is gone. */
function servicesOf(pid: number): string[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc").filter((entry) => {
    try {
      if (!/^\d+$/.test(entry)) return false;
      const parent = Number(/PPid:\s*(\d+)/.exec(readFileSync(`/proc/${entry}/status`, "utf8"))?.[1]);
      return parent === pid && readFileSync(`/proc/${entry}/cmdline`, "utf8").includes("/services/");
    } catch {
      return false;
    }
  });
}

describe.skipIf(missing)("npm start", () => {
  it("says when it is ready, serves the CLI through its profiles, and takes everything away again on Ctrl-C", async () => {
    const home = mkdtempSync(join(tmpdir(), "parley-home-"));
    const env = { ...process.env, PARLEY_HOME: home };
    const child = spawn(process.execPath, [join(repository, "scripts/start.mjs"), "--json"], { cwd: repository, env });
    onTestFinished(() => void child.kill("SIGINT")); // also where an expectation fails
    const closed = new Promise<number | null>((resolve) => child.once("close", resolve));
    const line = await new Promise<string>((resolve, reject) => {
      let out = "";
      child.stdout.on("data", (data: Buffer) => (out += data.toString()).includes("\n") && resolve(out));
      child.once("close", () => reject(new Error("it ended before it was ready")));
    });
    const ready = JSON.parse(line) as { ready: boolean; profiles: string[]; logs: string };
    expect(ready).toMatchObject({ ready: true, profiles: ["clinic-a", "clinic-b"] });
    const bin = join(repository, "libs/cli/bin/parley.js");
    const shown = spawnSync(process.execPath, [bin, "org", "show", "--json", "--profile", "clinic-b"], { env });
    expect(JSON.parse(shown.stdout.toString())).toMatchObject({ orgId: "clinic-b" });
    const services = servicesOf(child.pid ?? 0);
    if (process.platform === "linux") expect(services.length).toBe(9);
    child.kill("SIGINT");
    expect(await closed).toBe(130);
    expect(servicesOf(child.pid ?? 0)).toEqual([]);
    expect(services.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
    expect(existsSync(ready.logs)).toBe(false);
    expect(readdirSync(join(home, "profiles"))).toEqual([]);
    rmSync(home, { recursive: true });
  }, 180_000);
});

describe.skipIf(missing)("the demo", () => {
  it("prints one JSON object and nothing else, exits with 0 where everything matched, and leaves nothing running", async () => {
    const { code, out, pid } = await run("demo.mjs", ["--json", "--images", "3"]);
    const summary = JSON.parse(out) as { ok: boolean; networks: Record<string, unknown>[] };
    expect(summary.ok).toBe(true);
    expect(code).toBe(0);
    expect(summary.networks.map((n) => n.name)).toEqual(["A", "B", "C"]);
    const quantiles = { median: expect.any(Number), p95: expect.any(Number) };
    for (const network of summary.networks)
      expect(network).toEqual({
        name: expect.any(String),
        images: 3,
        correct: 3,
        labelsEqual: true,
        logitsEqual: true,
        maxProbabilityDifference: expect.any(Number),
        onlineMs: quantiles,
        offlineMs: quantiles,
        submitToResultMs: quantiles,
        messages: expect.any(Number),
        bytes: { p1ToP0: expect.any(Number), p0ToP1: expect.any(Number) },
      });
    expect(servicesOf(pid)).toEqual([]);
  }, 240_000);

  it("refuses wrong options with exit code 2 and its usage", async () => {
    const { code, err } = await run("demo.mjs", ["--images", "0"]);
    expect(code).toBe(2);
    expect(err).toContain("--images 0: give a number from 1 to 200");
  }, 60_000);

  it("ends everything on Ctrl-C", async () => {
    const { code, pid } = await run("demo.mjs", ["--network", "A"], "starting and enrolling");
    expect(code).toBe(130);
    expect(servicesOf(pid)).toEqual([]);
  }, 120_000);
});
