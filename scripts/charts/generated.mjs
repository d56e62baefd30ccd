// Every generated file of the charts, by path, with the text that it must have.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { format } from "prettier";
import { charts, helmFolder, library } from "./charts.mjs";
import { readme } from "./readme.mjs";
import { schemaOf } from "./schema.mjs";
import { valuesYaml } from "./values-yaml.mjs";

const here = import.meta.dirname;

/** Dashboards and alerts that concern one operator only; all others are in every chart. */
const ONLY = {
  "dealer.json": ["parley-dealer"],
  "jobs.json": ["parley-router", "parley-access-point"],
  "sessions.json": ["parley-access-point"],
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
    copy(files, join(helmFolder, "dashboards"), at("files", "dashboards"), concerns(chart.name, ".json"));
    copy(files, join(helmFolder, "rules"), at("files", "rules"), concerns(chart.name, ".yaml"));
  }
  return files;
}

const concerns = (chart, ending) => (name) => name.endsWith(ending) && (ONLY[name]?.includes(chart) ?? true);

/** Charts must be whole: a chart that is installed from this folder needs no `helm dependency build`. */
function copy(files, from, to, wanted = () => true) {
  if (!existsSync(from)) return;
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !wanted(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(join(to, relative(from, path)), readFileSync(path, "utf8"));
  }
}

/** Folders in which nothing but generated files may be. */
export const generatedFolders = () =>
  charts.flatMap(({ name }) => ["charts", "files"].map((folder) => join(helmFolder, name, folder)));
