// How long a private prediction takes: a whole system of separate processes, mutual TLS, loopback, one image per job.
// Writes docs/benchmarks.md as a whole, so that anyone can make it again.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compile } from "./compile.mjs";
import { root } from "./dependencies.mjs";
import { document, table } from "./bench/document.mjs";
import { describeMachine } from "./bench/machine.mjs";
import { onSignals, openSystem } from "./system.mjs";

const USAGE = `Usage: npm run bench -- [options]

  --network A,B,C   which networks (default: all three)
  --runs N          measured runs per network, 1 to 5000 (default 100), after 20 that warm up
  --json FILE       write the figures as JSON, too; without FILE or with "-" to standard output
  --quick           three runs each; fails on wrong results, message or byte counts only; writes no file
  --micro           measure kernels in one process instead
  --help            this text

docs/benchmarks.md is written where all networks were measured and every result was right.`;

const WARM_UP = 20;
const options = readOptions();
const machine = describeMachine();
compile();
if (options.micro) {
  const { tableGate } = await import("../libs/plan/dist/index.js");
  const { measureKernels } = await import("../libs/ring/bench/micro.mjs");
  measureKernels(tableGate);
  process.exit(0);
}
// Loaded after compiling: it imports the compiled packages.
const { measure } = await import("./bench/measure.mjs");
const say = (text) => console.error(text);

const folder = mkdtempSync(join(tmpdir(), "parley-bench-"));
let system;
let ok = false;
const stop = onSignals(async () => {
  await system?.stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});
try {
  system = await openSystem(say, folder);
  const results = [];
  for (const name of options.networks) {
    const counts = options.quick ? { warmUp: 2, runs: 3 } : { warmUp: WARM_UP, runs: options.runs };
    results.push(await measure(system, name, counts, say));
  }
  ok = results.every((r) => r.equal && r.asDeclared);
  const json = JSON.stringify(figures(results));
  if (options.json === "-") console.log(json);
  else {
    if (options.json) writeFileSync(options.json, `${json}\n`);
    console.log(table(results));
  }
  write(results);
} catch (error) {
  console.error(`The benchmark failed: ${error.message}${error.hint ? `\n  ${error.hint}` : ""}`);
  ok = false;
} finally {
  await stop();
}
process.exit(ok ? 0 : 1);

function figures(results) {
  const submitToResultMs = Object.fromEntries(results.map((r) => [r.network, r.submitToResultMs]));
  const others = results.map((r) =>
    Object.fromEntries(Object.entries(r).filter(([key]) => key !== "submitToResultMs")),
  );
  return { machine, results: others, submitToResultMs };
}

function write(results) {
  for (const r of results) {
    if (!r.equal) say(`network ${r.network}: a result DIFFERS from the plaintext fixed-point result`);
    if (!r.asDeclared) say(`network ${r.network}: messages or bytes DIFFER from what the plan declares`);
  }
  if (options.quick) return;
  if (!ok) return say("docs/benchmarks.md is left as it was: not every result was right");
  if (options.networks.length < 3) return say("docs/benchmarks.md is left as it was: not all networks were measured");
  writeFileSync(join(root, "docs/benchmarks.md"), document(machine, results, WARM_UP));
  say("docs/benchmarks.md is written");
}

function readOptions() {
  try {
    // "--json" may stand alone, and then means standard output.
    const given = process.argv.slice(2);
    const alone = (arg, i) => arg === "--json" && (given[i + 1] ?? "--").startsWith("--");
    const { values } = parseArgs({
      args: given.map((arg, i) => (alone(arg, i) ? "--json=-" : arg)),
      options: {
        network: { type: "string", multiple: true },
        runs: { type: "string", default: "100" },
        json: { type: "string" },
        quick: { type: "boolean", default: false },
        micro: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    const runs = Number(values.runs);
    if (!Number.isInteger(runs) || runs < 1 || runs > 5000)
      throw new Error(`--runs ${values.runs}: give a number from 1 to 5000`);
    const networks = [...new Set((values.network ?? ["A,B,C"]).flatMap((n) => n.toUpperCase().split(",")))];
    const unknown = networks.find((n) => !["A", "B", "C"].includes(n));
    if (unknown !== undefined) throw new Error(`--network ${unknown}: choose from A, B and C`);
    return { ...values, runs, networks };
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}
