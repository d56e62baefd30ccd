// The cluster run: installs, helm tests, 200 jobs under upgrade and rollback, 200 under deletion of every pod. Its result
// goes into docs/operations.md.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "./compile.mjs";
import { root } from "./dependencies.mjs";
import { onSignals } from "./system.mjs";
import { SHARED_HELP, readClusterOptions } from "./cluster/options.mjs";

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const options = readClusterOptions(
  `Usage: npm run test:cluster -- [options]

Installs Parley on the cluster that KUBECONFIG points to, as npm run cluster:demo does, and checks it: helm test of each
release, an upgrade and rollback of each under a stream of jobs, the deletion of every pod in turn under another. Writes what
it saw into docs/operations.md. Last line: "N passed, N failed".

  --jobs N              jobs of each stream (default 200)
${SHARED_HELP}`,
  version,
  { jobs: { type: "string", default: "200" } },
);
compile();
const say = (text) => console.error(text);
const { requireCluster } = await import("./cluster/commands.mjs");
const { checkCluster } = await import("./cluster/checks.mjs");
const { writeResult } = await import("./cluster/result.mjs");
const { remove } = await import("./cluster/installation.mjs");
const ending = [];
const stop = onSignals(async () => {
  for (const end of ending.splice(0).reverse()) await end();
  if (!options.keep) await remove(say).catch((error) => say(error.message));
});
let checks = [];
let failure;
try {
  await requireCluster();
  await checkCluster({ ...options, jobs: Number(options.jobs) }, ending, say, (check) => {
    checks.push(check);
    say(`${check.ok ? "ok" : "FAILED"}: ${check.name} (${check.seconds} s) ${check.figures}`);
  });
} catch (error) {
  failure = error.message;
  say(`The run ended early: ${failure}`);
}
if (!failure) await writeResult(checks);
if (options.json) console.log(JSON.stringify({ checks, failure }));
await stop();
const failed = checks.filter(({ ok }) => !ok).length + (failure ? 1 : 0);
console.log(`${checks.length - checks.filter(({ ok }) => !ok).length} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
