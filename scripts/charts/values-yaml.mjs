// values.yaml out of a chart's description: each value under a comment that says what it is.

const WIDTH = 118;

/** @returns the text of a chart's values.yaml */
export function valuesYaml(chart, values) {
  const head = [
    `# Values of ${chart.name}. Made by scripts/charts/generate.mjs from scripts/charts/values; change them there.`,
    "# Secrets are never values: name existing Secrets.",
  ];
  return `${[...head, ...lines(values, "")].join("\n")}\n`;
}

function lines(nodes, indent) {
  return Object.entries(nodes).flatMap(([name, node]) => {
    const comment = wrap(node.description, WIDTH - indent.length).map((line) => `${indent}# ${line}`);
    const gap = indent === "" ? [""] : [];
    return [...gap, ...comment, ...entry(name, node, indent)];
  });
}

function entry(name, node, indent) {
  const inner = node.properties && lines(node.properties, `${indent}  `);
  if (inner) return inner.length ? [`${indent}${name}:`, ...inner] : [`${indent}${name}: {}`];
  return valueLines(name, node.value, indent);
}

const isScalar = (value) => value === null || typeof value !== "object";
const isEmpty = (value) => !isScalar(value) && Object.keys(value).length === 0;

function valueLines(name, value, indent) {
  if (isScalar(value)) return [`${indent}${name}: ${scalar(value)}`];
  if (isEmpty(value)) return [`${indent}${name}: ${Array.isArray(value) ? "[]" : "{}"}`];
  if (!Array.isArray(value))
    return [`${indent}${name}:`, ...Object.entries(value).flatMap(([key, v]) => valueLines(key, v, `${indent}  `))];
  return [`${indent}${name}:`, ...value.flatMap((one) => itemLines(one, `${indent}  `))];
}

function itemLines(one, indent) {
  if (isScalar(one)) return [`${indent}- ${scalar(one)}`];
  const [first, ...rest] = Object.entries(one).flatMap(([key, v]) => valueLines(key, v, `${indent}  `));
  return [`${indent}- ${first.trimStart()}`, ...rest];
}

const PLAIN = /^[A-Za-z][A-Za-z0-9./:_-]*$/;
const WORDS = /^(true|false|yes|no|on|off|null|y|n)$/i;

/** Texts are quoted where YAML could read them as something else. */
export const scalar = (value) =>
  typeof value === "string" && PLAIN.test(value) && !WORDS.test(value) ? value : JSON.stringify(value);

export function wrap(text, width) {
  const out = [""];
  for (const word of text.split(" ")) {
    const last = out[out.length - 1];
    if (last && last.length + word.length + 1 > width) out.push(word);
    else out[out.length - 1] = last ? `${last} ${word}` : word;
  }
  return out;
}
