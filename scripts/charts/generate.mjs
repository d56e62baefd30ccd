#!/usr/bin/env node
// Writes values.yaml, values.schema.json, README and the copies of library, dashboards and alerts into the charts.
// With --check it writes nothing and fails where a file is not current.
import { relative } from "node:path";
import { root } from "../dependencies.mjs";
import { generatedFiles, generatedFolders } from "./generated.mjs";
import { drift, writeAll } from "./write-files.mjs";

const files = await generatedFiles();
const changed = drift(files, generatedFolders());
if (!process.argv.includes("--check")) writeAll(files, generatedFolders());
else if (changed.length) {
  console.error(
    `not current, run node scripts/charts/generate.mjs:\n${changed.map((p) => relative(root, p)).join("\n")}`,
  );
  process.exit(1);
}
console.log(`${files.size} generated files, ${changed.length} of them changed`);
