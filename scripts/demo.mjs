// A private prediction between two organisations, end to end: every service a process of its own, real certificates, real
// Redis, an embedded database. Clinic A owns three networks trained on MNIST, clinic B the images.
import { rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { compile } from "./compile.mjs";
import { report } from "./demo/report.mjs";
import { onSignals, openSystem } from "./system.mjs";

const USAGE = `Usage: npm run demo -- [options]

  --images N          images per network, 1 to 200 (default 10)
  --network A|B|C     only this network (may be repeated)
  --keep              keep the folder with stores and logs, and say where it is
  --json              print one JSON object on standard output and nothing else
  --help              this text

A: 784-128-128-10.  B: conv, max pool, two fully connected layers.  C: two conv with max pools, two fully connected layers.`;

/** An access point erases the input of a job that has ended within a second. */
const ERASED_MS = 2_000;

const options = readOptions();
const say = (text) => (options.json ? console.error(text) : console.log(text));

compile();
// Loaded after compiling: they import the compiled packages.
const { runNetwork } = await import("./demo/network.mjs");
const { whoHeldWhat } = await import("./demo/holdings.mjs");

let system;
let ok = false;
const stop = onSignals(async () => {
  await system?.stop();
  if (system && options.keep) console.error(`Stores and logs are in ${system.folder}`);
  else if (system) rmSync(system.folder, { recursive: true, force: true });
});
try {
  system = await openSystem(say);
  const networks = [];
  const evidence = [];
  for (const name of options.networks) {
    const { summary, secrets } = await runNetwork(
      system,
      name,
      options.images,
      options.json ? undefined : console.log,
      say,
    );
    networks.push(summary);
    evidence.push(secrets);
  }
  await pause(ERASED_MS);
  const holdings = whoHeldWhat(system, evidence);
  ok =
    networks.every((n) => n.labelsEqual && n.logitsEqual && n.maxProbabilityDifference <= 0.00005) &&
    holdings.every((row) => row.ok);
  if (options.json) console.log(JSON.stringify({ ok, networks }));
  else report(networks, holdings, ok);
} catch (error) {
  console.error(`The demo failed: ${error.message}${error.hint ? `\n  ${error.hint}` : ""}`);
} finally {
  await stop();
}
process.exit(ok ? 0 : 1);

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        images: { type: "string", default: "10" },
        network: { type: "string", multiple: true },
        json: { type: "boolean", default: false },
        keep: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    const images = Number(values.images);
    if (!Number.isInteger(images) || images < 1 || images > 200)
      throw new Error(`--images ${values.images}: give a number from 1 to 200`);
    const networks = (values.network ?? ["A", "B", "C"]).flatMap((n) => n.toUpperCase().split(","));
    const unknown = networks.find((n) => !["A", "B", "C"].includes(n));
    if (unknown) throw new Error(`--network ${unknown}: choose A, B or C`);
    return { images, networks, json: values.json, keep: values.keep };
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}
