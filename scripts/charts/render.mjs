// Renders charts with helm, for tests and for deploy/k8s.
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { parseAllDocuments } from "yaml";
import { helmFolder } from "./charts.mjs";

const run = promisify(execFile);
/** helm that was built from source thinks of an old Kubernetes. */
const KUBERNETES = ["--kube-version", "1.34.0"];
const MEGABYTES = 64 * 1024 * 1024;

/** Names of a chart's example values, one per feature, the base first. */
export const features = (chart) => {
  const files = readdirSync(join(helmFolder, chart, "ci")).filter((file) => file.endsWith(".yaml"));
  const names = files.map((file) => basename(file, ".yaml"));
  return ["base", ...names.filter((name) => name !== "base").sort()];
};

const valuesOf = (chart, feature) =>
  (feature === "base" ? ["base"] : ["base", feature]).flatMap((name) => [
    "--values",
    join(helmFolder, chart, "ci", `${name}.yaml`),
  ]);

/** @returns the rendered text. @throws Error with helm's message */
export async function template(helm, chart, release, namespace, args) {
  const all = ["template", release, join(helmFolder, chart), "--namespace", namespace, ...KUBERNETES, ...args];
  try {
    const { stdout } = await run(helm, all, { maxBuffer: MEGABYTES });
    return stdout;
  } catch (error) {
    throw new Error(error.stderr || error.message, { cause: error });
  }
}

const rendered = new Map();

/** @returns the objects of one example, in the order of their names, without what is drawn at random */
export function renderFeature(helm, chart, feature) {
  const key = `${chart.name} ${feature}`;
  if (!rendered.has(key)) rendered.set(key, renderAnew(helm, chart, feature));
  return rendered.get(key);
}

const renderAnew = async (helm, { name, release }, feature) =>
  objectsOf(await template(helm, name, release, release, valuesOf(name, feature)));

/** helm lint of one example. @throws Error with its findings */
export const lint = (helm, { name }, feature) => lintWith(helm, join(helmFolder, name), valuesOf(name, feature));

/** helm lint of a chart's folder with these arguments. @throws Error with its findings */
export async function lintWith(helm, folder, args) {
  try {
    await run(helm, ["lint", "--strict", ...KUBERNETES, ...args, folder]);
  } catch (error) {
    throw new Error(error.stdout || error.stderr || error.message, { cause: error });
  }
}

export function objectsOf(text) {
  const objects = parseAllDocuments(text).map((document) => {
    if (document.errors.length) throw document.errors[0];
    return document.toJS();
  });
  const sorted = objects.filter(Boolean).sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  return sorted.map(withoutPasswords);
}

export const nameOf = ({ kind, metadata }) => `${kind}/${metadata.name}`;

/** Passwords of trial databases are drawn anew by each rendering. */
function withoutPasswords(object) {
  if (object.kind !== "Secret") return object;
  const text = Object.entries(object.stringData ?? {}).map(([key, value]) => [
    key,
    value.replace(/[A-Za-z0-9]{40}/, "DRAWN"),
  ]);
  return { ...object, stringData: Object.fromEntries(text) };
}
