// Keeps a whole Parley running for someone who wants to try the SDK and the CLI against it. Ctrl-C stops all of it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compile } from "./compile.mjs";
import { root } from "./dependencies.mjs";
import { onSignals, openSystem } from "./system.mjs";

const { values } = parseArgs({
  options: { json: { type: "boolean", default: false }, help: { type: "boolean", default: false } },
});
if (values.help) {
  console.log(`Usage: npm start [-- --json]

Starts router, dealer, clinic-a and clinic-b, writes the CLI profiles clinic-a and clinic-b into .parley/, and keeps running
until Ctrl-C. With --json one line on standard output when it is ready: {"ready": true, ...}.`);
  process.exit(0);
}

compile();
const { saveProfile } = await import("../libs/sdk/dist/index.js");
const home = process.env.PARLEY_HOME ?? join(root, ".parley");
const written = [];
let system;
const stop = onSignals(async () => {
  for (const file of written) rmSync(file, { force: true });
  await system?.stop();
  if (system) rmSync(system.folder, { recursive: true, force: true });
});
try {
  system = await openSystem((text) => console.error(text), mkdtempSync(join(tmpdir(), "parley-")));
  for (const [name, { profile }] of system.organisations) written.push(saveProfile(name, profile, home));
  const profiles = [...system.organisations.keys()].sort();
  if (values.json) console.log(JSON.stringify({ ready: true, profiles, home, logs: system.logs }));
  else
    console.log(`
Parley is running: a router, a dealer, clinic-a and clinic-b. Logs are in ${system.logs}
Try, in another terminal:

  npx parley asset publish examples/mnist/a.onnx --name digits --input-range 0,1 --profile clinic-a
  npx parley agreement offer --asset ASSET --to clinic-b --records 1000 --expires 2030-12-31 --output logits --profile clinic-a
  npx parley agreement accept AGREEMENT --profile clinic-b
    and then: npx parley predict --asset ASSET --data examples/mnist/test-images.idx3-ubyte --profile clinic-b

Ctrl-C stops all of it.`);
  setInterval(() => {}, 60_000);
} catch (error) {
  console.error(`Parley did not start: ${error.message}`);
  await stop();
  process.exit(1);
}
