// Keeps the last result of the cluster run in docs/operations.md, between two marks.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { format, resolveConfig } from "prettier";
import { root } from "../dependencies.mjs";

const FILE = join(root, "docs/operations.md");
const [BEGIN, END] = ["<!-- cluster run: begin -->", "<!-- cluster run: end -->"];

export async function writeResult(checks) {
  const text = readFileSync(FILE, "utf8");
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`docs/operations.md has no place for the result: ${BEGIN} ... ${END}`);
  const rows = checks.map(
    ({ name, ok, seconds, figures }) => `| ${name} | ${ok ? "passed" : "FAILED"} | ${seconds} | ${figures} |`,
  );
  const table = ["| Check | Result | Seconds | Figures |", "| --- | --- | --- | --- |", ...rows].join("\n");
  const date = new Date().toISOString().slice(0, 10);
  const next = `${text.slice(0, from)}${BEGIN}\n\nLast run, ${date}:\n\n${table}\n\n${text.slice(to)}`;
  writeFileSync(FILE, await format(next, { ...(await resolveConfig(FILE)), filepath: FILE }));
}
