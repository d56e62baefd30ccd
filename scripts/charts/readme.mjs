// A chart's README: its own text, then a table of every value.
import { scalar } from "./values-yaml.mjs";

/** @param text the part of the README that is written by hand */
export function readme(chart, values, text) {
  const rows = tableRows(values, "");
  const table = ["| Value | Default | Meaning |", "| --- | --- | --- |", ...rows];
  return `# ${chart.name}

${chart.description}

<!-- Made by scripts/charts/generate.mjs from scripts/charts/values and scripts/charts/readme/${chart.name}.md. -->

${text.trim()}

## Values

A component's section takes any value of \`workload\` as well, for that component alone.

${table.join("\n")}
`;
}

function tableRows(nodes, prefix) {
  return Object.entries(nodes).flatMap(([name, node]) => {
    const path = `${prefix}${name}`;
    if (node.properties)
      return [`| \`${path}\` | | ${cell(node.description)} |`, ...tableRows(node.properties, `${path}.`)];
    return [`| \`${path}\` | ${shown(node.value)} | ${cell(meaning(node))} |`];
  });
}

/** A longer one would make the whole table as wide. */
const LONGEST = 160;

function shown(value) {
  const text = value === null || typeof value !== "object" ? scalar(value) : JSON.stringify(value);
  return text.length > LONGEST ? "[values.yaml](values.yaml)" : `\`${cell(text)}\``;
}

function meaning({ description, schema }) {
  if (schema.enum) return `${description} One of ${schema.enum.map((one) => `\`${one}\``).join(", ")}.`;
  const fields = schema.items?.element;
  if (!fields) return description;
  const parts = Object.entries(fields).map(([name, { description: what }]) => `\`${name}\`: ${what}`);
  return `${description} Each has ${parts.join(" ")}`;
}

const cell = (text) => text.replaceAll("|", "\\|");
