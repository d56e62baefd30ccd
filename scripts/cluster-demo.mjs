// On the cluster that KUBECONFIG points to: four operators install, one private prediction through the CLI, then the same
// while pods are deleted and a release is upgraded.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "./compile.mjs";
import { root } from "./dependencies.mjs";
import { onSignals } from "./system.mjs";
import { SHARED_HELP, readClusterOptions } from "./cluster/options.mjs";

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const options = readClusterOptions(
  `Usage: npm run cluster:demo -- [options]

Installs a router, a dealer, clinic-a and clinic-b with Helm, each in a namespace of its name, and runs private predictions
between the clinics: first quietly, then while pods are deleted and a release is upgraded. Needs kubectl, helm and KUBECONFIG.

${SHARED_HELP}`,
  version,
);
compile();
const say = (text) => console.error(text);
const { requireCluster } = await import("./cluster/commands.mjs");
const { runDemo } = await import("./cluster/demo.mjs");
const { remove } = await import("./cluster/installation.mjs");
const ending = [];
const stop = onSignals(async () => {
  for (const end of ending.splice(0).reverse()) await end();
  if (!options.keep) await remove(say).catch((error) => say(error.message));
});
let ok = false;
try {
  await requireCluster();
  const report = await runDemo(options, ending, say);
  ok = report.ok;
  if (options.json) console.log(JSON.stringify(report));
} catch (error) {
  say(`The demo failed: ${error.message}`);
}
await stop();
process.exit(ok ? 0 : 1);
