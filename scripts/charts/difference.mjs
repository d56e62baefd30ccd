// What a feature changes in a chart's objects, in a form that a reviewer can read.
import { isDeepStrictEqual } from "node:util";
import { stringify } from "yaml";
import { nameOf } from "./render.mjs";

const yaml = (object) => stringify(brief(object), { lineWidth: 0 });

/** Dashboards and alerts are files of their own, compared elsewhere; here their names are enough. */
function brief(object) {
  const { kind, metadata, data, spec } = object;
  if (kind === "ConfigMap" && metadata.labels["app.kubernetes.io/component"] === "dashboards")
    return { ...object, data: Object.fromEntries(Object.keys(data).map((file) => [file, "the file"])) };
  if (kind === "PrometheusRule") return { ...object, spec: { groups: spec.groups.map(({ name }) => name) } };
  return object;
}

/** All objects as one text. */
export const listing = (objects) => objects.map(yaml).join("---\n");

/** Objects that appear, objects that go, and in the others each path whose value is another. */
export function difference(base, changed) {
  const before = new Map(base.map((object) => [nameOf(object), object]));
  const after = new Map(changed.map((object) => [nameOf(object), object]));
  const gone = [...before.keys()].filter((name) => !after.has(name)).map((name) => `# ${name} is gone\n`);
  const parts = [...after].flatMap(([name, object]) => {
    if (!before.has(name)) return [`# ${name} is new\n${yaml(object)}`];
    const lines = changes(before.get(name), object, "");
    return lines.length ? [`# ${name} changes\n${lines.join("\n")}\n`] : [];
  });
  return [...gone, ...parts].join("---\n");
}

const isObject = (value) => typeof value === "object" && value !== null;

function changes(old, now, path) {
  if (isDeepStrictEqual(old, now)) return [];
  const [a, b] = [keyed(old), keyed(now)];
  if (!a || !b || Array.isArray(old) !== Array.isArray(now)) return [`${path}: ${shown(old)} -> ${shown(now)}`];
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return keys.flatMap((key) => changes(a[key], b[key], path ? `${path}.${key}` : key));
}

/** A list's elements by their names, where they have such: containers, ports, variables. */
function keyed(value) {
  if (!isObject(value)) return undefined;
  const named =
    Array.isArray(value) && value.length > 0 && value.every((one) => isObject(one) && typeof one.name === "string");
  return named ? Object.fromEntries(value.map((one) => [`[${one.name}]`, one])) : value;
}

const shown = (value) => (value === undefined ? "nothing" : JSON.stringify(value));
