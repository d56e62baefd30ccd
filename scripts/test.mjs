// Everything: compiles, lints, checks generated code, runs all suites. Last line: "N passed, N failed".
// Arguments are handed to vitest, e.g. `npm test -- libs/ring`; then only these suites run.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { compile } from "./compile.mjs";
import { cache, root } from "./dependencies.mjs";
import { bringPrometheus } from "./prometheus.mjs";
import { bringRedis } from "./redis.mjs";

const filters = process.argv.slice(2);
let passed = 0;
let failed = 0;

function check(name, command, args, env = {}) {
  const started = Date.now();
  const done = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...env },
  });
  const ok = done.status === 0;
  console.log(`${ok ? "ok" : "FAILED"}: ${name} (${((Date.now() - started) / 1000).toFixed(0)} s)`);
  if (ok) passed++;
  else failed++;
}

compile();
try {
  process.env.PARLEY_REDIS_SERVER = bringRedis();
} catch (error) {
  console.error(`${error.message} Tests that need one are skipped.`);
}
const prometheus = bringPrometheus();
if (prometheus) process.env.PARLEY_PROMETHEUS = prometheus;
else console.error("No Prometheus here, and none can be brought: tests of dashboards and alerts are skipped.");

if (!filters.length) {
  check("generated code is current", process.execPath, ["scripts/proto.mjs", "--check"]);
  check("lint and module boundaries", process.execPath, ["scripts/lint.mjs"]);
}

// One PostgreSQL for all suites that need one.
const { startTestPostgres } = await import("../libs/service-kit/dist/testing/index.js");
const postgres = await startTestPostgres();
if (postgres) process.env.PARLEY_TEST_POSTGRES = postgres.url("postgres");

mkdirSync(cache, { recursive: true });
const vitest = join(root, "node_modules/vitest/vitest.mjs");

/** Runs vitest once and adds its counts. */
function suites(name, args) {
  const report = join(cache, `vitest-${name}.json`);
  rmSync(report, { force: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const run = spawnSync(process.execPath, [vitest, "run", ...reporters, ...args], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  try {
    const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(report, "utf8"));
    passed += numPassedTests;
    failed += numFailedTests;
    if (run.status !== 0 && numFailedTests === 0) failed += Math.max(1, numFailedTestSuites);
  } catch {
    failed++;
  }
}

// Suites that start whole systems of a dozen processes run one after the other: two at a time would starve each other.
const SYSTEMS = ["libs/testing/src/e2e/", "libs/testing/src/attacks/", "scripts/bench/"];
if (filters.length) suites("chosen", filters);
else {
  suites(
    "units",
    SYSTEMS.flatMap((folder) => ["--exclude", `${folder}**`]),
  );
  suites("systems", ["--maxWorkers=1", ...SYSTEMS]);
}
await postgres?.stop();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
