// How long a private prediction takes, what it sends, what it costs beforehand: measured in separate processes over gRPC
// with mutual TLS. Writes docs/benchmarks.md as a whole, so that anyone can make it again.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "./compile.mjs";
import { USAGE, readOptions } from "./bench/options.mjs";
import { onSignals } from "./system.mjs";

const options = chosen();
const say = (text) => console.error(text);
// The engine alone needs these; the whole system needs all.
const ENGINE = ["libs/testing", "libs/model", "services/dealer", "services/worker"];
if (!options["as-built"])
  compile(options.submit || options.everything || (options.telemetry && !options.engine) ? [] : ENGINE);
if (options.micro) {
  const { measureParts } = await import("./bench/micro.mjs");
  await measureParts();
  process.exit(0);
}
if (options.from) process.exit(await writeFrom(options.from.split(",")));
// Loaded after compiling: it imports the compiled packages.
const { measureAll } = await import("./bench/measure-all.mjs");
const folder = mkdtempSync(join(tmpdir(), "parley-bench-"));
const ending = [];
const stop = onSignals(async () => {
  for (const end of ending.reverse()) await end();
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});
let ok = false;
try {
  const figures = await measureAll({ options, folder, ending, say });
  ok = allRight(figures);
  await write(figures);
} catch (error) {
  console.error(`The benchmark failed: ${error.message}${error.hint ? `\n  ${error.hint}` : ""}`);
  if (process.env.PARLEY_DEBUG) console.error(error.stack);
  ok = false;
} finally {
  await stop();
}
process.exit(ok ? 0 : 1);

/** Writes the document from saved figures. */
async function writeFrom(files) {
  const { readFigures } = await import("./bench/figures.mjs");
  const { writeDocument } = await import("./bench/document.mjs");
  try {
    writeDocument(readFigures(files));
    say("docs/benchmarks.md is written");
    return 0;
  } catch (error) {
    console.error(error.message);
    return 1;
  }
}

function allRight({ results, submitToResultMs, telemetry }) {
  const measured = [telemetry?.online, telemetry?.submit].filter(Boolean);
  if (!measured.every(({ equal }) => equal)) return false;
  return results.every((r) => r.equal && r.asDeclared) && Object.values(submitToResultMs).every((s) => s.equal);
}

function chosen() {
  try {
    const read = readOptions(process.argv.slice(2));
    if (read.json && read.json !== "-") writeFileSync(read.json, ""); // fails now, not after an hour
    if (!read.help) return read;
    console.log(USAGE);
    process.exit(0);
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}

async function write(figures) {
  const { summary } = await import("./bench/tables.mjs");
  const json = JSON.stringify(figures);
  if (options.json === "-") console.log(json);
  else {
    if (options.json) writeFileSync(options.json, `${json}\n`);
    console.log(summary(figures));
  }
  for (const { network, batch, link, equal, asDeclared } of figures.results) {
    if (!equal) say(`${network}, batch ${batch}, ${link}: a result DIFFERS from the plaintext fixed-point result`);
    if (!asDeclared) say(`${network}, batch ${batch}, ${link}: messages or bytes DIFFER from what the plan declares`);
  }
  for (const [network, { equal }] of Object.entries(figures.submitToResultMs))
    if (!equal) say(`jobs of network ${network}: a result DIFFERS from the plaintext fixed-point result`);
  if (!options.everything) return;
  if (!ok) return say("docs/benchmarks.md is left as it was: not every result was right");
  const { writeDocument } = await import("./bench/document.mjs");
  writeDocument(figures);
  say("docs/benchmarks.md is written");
}
