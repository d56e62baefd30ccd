// The demo's way through a cluster.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../dependencies.mjs";
import { agreeOn, connectClinics } from "./clinics.mjs";
import { run } from "./commands.mjs";
import { deleteEachPod, upgradeAndRollBack } from "./disturbances.mjs";
import { OPERATORS, install, makeNamespaces } from "./installation.mjs";
import { accountFor, streamOfJobs } from "./jobs.mjs";

const NETWORK = "A";
const JOBS = 60;
const IN_FLIGHT = 4;

export async function runDemo(options, ending, say) {
  const started = performance.now();
  await makeNamespaces();
  for (const name of OPERATORS) await install(name, options, say);
  const installSeconds = seconds(started);
  const { parleys, profiles, close } = await connectClinics();
  ending.push(close);
  say(`network ${NETWORK}: clinic-a publishes it, both compare fingerprints and sign an agreement ...`);
  const { asset, plain } = await agreeOn(parleys, NETWORK, 100_000);
  const label = await predictByCli(profiles.get("clinic-b"), asset.id);
  const firstSeconds = seconds(started);
  say(`first private prediction through the CLI: label ${label}, ${firstSeconds} s after the first install began`);
  say(
    `private predictions while the pods of both clinics are deleted in turn and clinic-a is upgraded and rolled back ...`,
  );
  const parley = parleys.get("clinic-b");
  let disturbing = true;
  const disturbed = (async () => {
    const deleted = await deleteEachPod(say, { namespaces: ["clinic-a", "clinic-b"] });
    return [...deleted, ...(await upgradeAndRollBack(options, Date.now(), say, ["clinic-a"]))];
  })().finally(() => (disturbing = false));
  const total = await streamOfJobs({ parley, asset, plain, count: JOBS, inFlight: IN_FLIGHT, more: () => disturbing });
  const disturbances = await disturbed;
  const account = await accountFor(parley, total.ids);
  say(
    `${total.succeeded} of ${total.ids.length} predictions succeeded, ${total.right} equal to the plaintext, bit for bit`,
  );
  for (const failure of total.failures) say(`  ${failure}`);
  const ok = total.failures.length === 0 && total.right === total.ids.length && account.unfinished === 0;
  const { succeeded, right, failures, ids } = total;
  return { ok, installSeconds, firstSeconds, jobs: ids.length, succeeded, right, failures, disturbances, account };
}

const seconds = (from) => Math.round((performance.now() - from) / 100) / 10;

/** `parley predict` as its user types it, on 200 images. @returns the first label */
async function predictByCli(profile, asset) {
  const { saveProfile } = await import("../../libs/sdk/dist/index.js");
  const home = mkdtempSync(join(tmpdir(), "parley-cluster-"));
  try {
    saveProfile("clinic-b", profile, home);
    const data = join(root, "examples/mnist/test-images.idx3-ubyte");
    const args = ["predict", "--asset", asset, "--data", data, "--json", "--profile", "clinic-b"];
    const output = await run(process.execPath, [join(root, "libs/cli/bin/parley.js"), ...args], {
      env: { PARLEY_HOME: home },
    });
    return JSON.parse(output).labels[0];
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
