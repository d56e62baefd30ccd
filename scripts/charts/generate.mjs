#!/usr/bin/env node
// Writes values.yaml, values.schema.json, README and the copies of library, dashboards and alerts into the charts, and then
// deploy/k8s out of the charts. With --check it writes nothing and fails where a file is not current.
import { relative } from "node:path";
import { root } from "../dependencies.mjs";
import { generatedFiles, generatedFolders } from "./generated.mjs";
import { k8sFiles, k8sFolders } from "./kustomize.mjs";
import { bringTool } from "./tools.mjs";
import { drift, writeAll } from "./write-files.mjs";

const check = process.argv.includes("--check");

function bring(what, files, folders) {
  const changed = drift(files, folders);
  if (!check) writeAll(files, folders);
  else if (changed.length) {
    const list = changed.map((path) => relative(root, path)).join("\n");
    console.error(`not current, run node scripts/charts/generate.mjs:\n${list}`);
    process.exit(1);
  }
  console.log(`${what}: ${files.size} generated files, ${changed.length} of them changed`);
}

bring("deploy/helm", await generatedFiles(), generatedFolders());
const { path: helm, why } = await bringTool("helm");
if (why) console.error(`deploy/k8s is left as it is: ${why}.`);
else bring("deploy/k8s", await k8sFiles(helm), k8sFolders());
