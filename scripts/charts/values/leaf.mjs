// Words in which a chart's values are described. One description gives values.yaml, values.schema.json and the README.

const leaf = (type, description, value, schema = {}) => ({ type, description, value, schema });

export const string = (description, value = "", schema) => leaf("string", description, value, schema);
export const integer = (description, value, schema) => leaf("integer", description, value, schema);
export const boolean = (description, value) => leaf("boolean", description, value);
export const choice = (description, value, options) => leaf("string", description, value, { enum: options });

/** A number, or null where the platform chooses (for instance user ids on OpenShift). */
export const optionalInteger = (description, value) => leaf(["integer", "null"], description, value, { minimum: 1 });

/** A number of pods or a percentage of them. */
export const share = (description, value) => leaf(["integer", "string"], description, value);

/** A list; `items` describes one of its elements, by default an object of the Kubernetes API. */
export const list = (description, value = [], items = { type: "object" }) =>
  leaf("array", description, value, { items });
export const strings = (description, value = []) => list(description, value, { type: "string", minLength: 1 });

/** Names to texts: labels, annotations, attributes. */
export const map = (description, value = {}) =>
  leaf("object", description, value, { additionalProperties: { type: "string" } });

/** An object of the Kubernetes API, which the API server checks. */
export const kubernetes = (description, value = {}) => leaf("object", description, value);

/** A section with a fixed set of values. */
export const group = (description, properties) => ({ type: "object", description, properties });

/**
 * A component's section: it has values of its own, and may set any of `workload`'s for this component alone. Only `own`
 * appears in values.yaml; `over` are `workload`'s values that differ here by default, `without` those that make no sense.
 */
export const component = (description, own, over, workload, without = []) => {
  const kept = Object.entries(workload.properties).filter(([name]) => !without.includes(name));
  const inherits = { ...workload, properties: Object.fromEntries(kept) };
  const properties = { ...own };
  for (const [name, value] of Object.entries(over)) properties[name] = withDefaults(workload.properties[name], value);
  return { type: "object", description, properties, inherits };
};

const withDefaults = (node, value) => {
  if (!node.properties) return { ...node, value };
  const chosen = Object.entries(value).map(([name, inner]) => [name, withDefaults(node.properties[name], inner)]);
  return { ...node, properties: Object.fromEntries(chosen), inherits: node };
};

/** An element of a list: an object with these values, the named ones required. */
export const element = (properties, required) => ({ element: properties, required });
