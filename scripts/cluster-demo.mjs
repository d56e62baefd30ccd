// On the cluster that KUBECONFIG points to: four operators install, one private prediction through the CLI, then the same
// while pods are deleted and a release is upgraded.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./dependencies.mjs";
import { onCluster } from "./cluster/on-cluster.mjs";
import { SHARED_HELP, readClusterOptions } from "./cluster/options.mjs";

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const options = readClusterOptions(
  `Usage: npm run cluster:demo -- [options]

Installs a router, a dealer, clinic-a and clinic-b with Helm, each in a namespace of its name, and runs private predictions
between the clinics: first quietly, then while pods are deleted and a release is upgraded. Needs kubectl, helm and KUBECONFIG.

${SHARED_HELP}`,
  version,
);
let ok = false;
await onCluster(options, async (ending, say) => {
  const { runDemo } = await import("./cluster/demo.mjs");
  const report = await runDemo(options, ending, say);
  ok = report.ok;
  if (options.json) console.log(JSON.stringify(report));
});
process.exit(ok ? 0 : 1);
