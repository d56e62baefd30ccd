// Every generated file of the charts, by path, with the text that it must have.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { format } from "prettier";
import { charts, helmFolder, library } from "./charts.mjs";
import { readme } from "./readme.mjs";
import { schemaOf } from "./schema.mjs";
import { valuesYaml } from "./values-yaml.mjs";

const here = import.meta.dirname;

/** Dashboards and alerts that concern some charts only; all others are in every chart. The stock is seen on both sides, refusals at the dealer. */
const ONLY = {
  "dealer.json": ["parley-dealer", "parley-access-point"],
  "dealer.yaml": ["parley-dealer"],
  "jobs.json": ["parley-router", "parley-access-point"],
  "jobs.yaml": ["parley-router", "parley-access-point"],
  "sessions.json": ["parley-access-point"],
  "sessions.yaml": ["parley-access-point"],
  "organisation.json": ["parley-access-point"],
};

/** @returns a map of path to text */
export async function generatedFiles() {
  const files = new Map();
  for (const chart of charts) {
    const at = (...path) => join(helmFolder, chart.name, ...path);
    const pretty = async (parser, source) => format(source, { parser, printWidth: 120 });
    files.set(at("values.yaml"), await pretty("yaml", valuesYaml(chart, chart.values)));
    files.set(at("values.schema.json"), await pretty("json", JSON.stringify(schemaOf(chart.name, chart.values))));
    const text = readFileSync(join(here, "readme", `${chart.name}.md`), "utf8");
    files.set(at("README.md"), await pretty("markdown", readme(chart, chart.values, text)));
    copy(files, join(helmFolder, library), at("charts", library));
    for (const [folder, ending] of [
      ["dashboards", ".json"],
      ["rules", ".yaml"],
    ])
      copy(files, join(helmFolder, folder), at("files", folder), concerns(chart.name, ending));
  }
  return files;
}

/** Of a folder of dashboards or alerts the files themselves, not those below, which are tests. */
const concerns = (chart, ending) => (path) =>
  path === basename(path) && path.endsWith(ending) && (ONLY[path]?.includes(chart) ?? true);

/** Charts must be whole: a chart that is installed from this folder needs no `helm dependency build`. */
function copy(files, from, to, wanted = () => true) {
  if (!existsSync(from)) return;
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const inside = relative(from, path);
    if (entry.isFile() && wanted(inside)) files.set(join(to, inside), readFileSync(path, "utf8"));
  }
}

/** Folders in which nothing but generated files may be. */
export const generatedFolders = () =>
  charts.flatMap(({ name }) => ["charts", "files"].map((folder) => join(helmFolder, name, folder)));
