// Writes docs/telemetry.md from libs/service-kit/src/telemetry; with --check it says whether the file is current.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import prettier from "prettier";
import {
  ATTRIBUTES,
  METRICS,
  SPANS,
  prometheusLabel,
  prometheusName,
} from "../libs/service-kit/src/telemetry/names.ts";
import { TELEMETRY_VARIABLES } from "../libs/service-kit/src/telemetry/variables.ts";
import { root } from "./dependencies.mjs";

const FILE = join(root, "docs", "telemetry.md");
const TEXT = join(root, "scripts", "telemetry-text.md");

const code = (text) => `\`${text}\``;
const list = (items) => (items.length === 0 ? "none" : items.map(code).join(", "));
const table = (head, rows) =>
  [head, head.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n");

const tables = {
  variables: () =>
    table(
      ["Variable", "Default", "Meaning"],
      Object.entries(TELEMETRY_VARIABLES).map(([name, { initial, about }]) => [code(name), initial, about]),
    ),
  metrics: () =>
    table(
      ["Metric", "In Prometheus", "Kind", "Unit", "Meaning", "Attributes", "By"],
      Object.entries(METRICS).map(([name, { instrument, unit, about, attributes, by }]) => [
        code(name),
        code(prometheusName(name)),
        instrument,
        code(unit),
        about,
        list(attributes),
        by,
      ]),
    ),
  spans: () =>
    table(
      ["Span", "Kind", "Meaning", "Attributes", "By"],
      Object.entries(SPANS).map(([name, { kind, about, attributes, by }]) => [
        code(name),
        kind,
        about,
        list(attributes),
        by,
      ]),
    ),
  attributes: () =>
    table(
      ["Attribute", "In Prometheus", "Type", "Value"],
      Object.entries(ATTRIBUTES).map(([name, { type, about }]) => [
        code(name),
        code(prometheusLabel(name)),
        type,
        about,
      ]),
    ),
};

/** The page as it must be. */
export async function telemetryPage() {
  const text = readFileSync(TEXT, "utf8").replaceAll(/^\{\{(\w+)\}\}$/gm, (_, name) => tables[name]());
  return prettier.format(text, { ...(await prettier.resolveConfig(FILE)), parser: "markdown" });
}

/** Whether docs/telemetry.md is that page. */
export const isCurrent = async () => readFileSync(FILE, "utf8") === (await telemetryPage());

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  if (!process.argv.includes("--check")) writeFileSync(FILE, await telemetryPage());
  else if (!(await isCurrent())) {
    console.error("docs/telemetry.md is not current: run `node scripts/telemetry.mjs`");
    process.exit(1);
  }
}
