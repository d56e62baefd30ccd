// The cluster run: installs, helm tests, 200 jobs under upgrade and rollback, 200 under deletion of every pod. Its result
// goes into docs/operations.md.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./dependencies.mjs";
import { onCluster } from "./cluster/on-cluster.mjs";
import { writeResult } from "./cluster/result.mjs";
import { SHARED_HELP, readClusterOptions } from "./cluster/options.mjs";

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const options = readClusterOptions(
  `Usage: npm run test:cluster -- [options]

Installs Parley on the cluster that KUBECONFIG points to, as npm run cluster:demo does, and checks it: helm test of each
release, an upgrade and rollback of each under a stream of jobs, the deletion of every pod in turn under another, of each database under a third. Writes what
it saw into docs/operations.md. Last line: "N passed, N failed".

  --jobs N              jobs of each stream (default 200)
${SHARED_HELP}`,
  version,
  { jobs: { type: "string", default: "200" } },
);
const jobs = Number(options.jobs);
if (!(Number.isInteger(jobs) && jobs > 0)) {
  console.error(`--jobs is a number of jobs, not ${options.jobs}`);
  process.exit(2);
}
const checks = [];
const failure = await onCluster(options, async (ending, say) => {
  const { checkCluster } = await import("./cluster/checks.mjs");
  await checkCluster({ ...options, jobs }, ending, say, (check) => {
    checks.push(check);
    say(`${check.ok ? "ok" : "FAILED"}: ${check.name} (${check.seconds} s) ${check.figures}`);
  });
  await writeResult(checks);
});
if (options.json) console.log(JSON.stringify({ checks, failure }));
const passed = checks.filter(({ ok }) => ok).length;
const failed = checks.length - passed + (failure ? 1 : 0);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
