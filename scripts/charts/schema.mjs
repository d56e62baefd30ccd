// values.schema.json out of a chart's description: strict, every value described.

/** @returns the schema of a whole values file */
export const schemaOf = (name, values) => ({
  $schema: "http://json-schema.org/draft-07/schema#",
  title: `Values of ${name}`,
  type: "object",
  additionalProperties: false,
  properties: {
    ...properties(values),
    global: { type: "object", description: "Set by charts that contain this one; not used." },
    "parley-common": { type: "object", description: "The library chart has no values." },
  },
});

const properties = (nodes) =>
  Object.fromEntries(Object.entries(nodes).map(([name, node]) => [name, schemaOfNode(node)]));

function schemaOfNode(node) {
  const { type, description } = node;
  if (node.properties) {
    const all = { ...node.inherits?.properties, ...node.properties };
    return { type, description, additionalProperties: false, properties: properties(all) };
  }
  const { items, ...rest } = node.schema;
  return { type, description, ...rest, ...(items && { items: schemaOfItem(items) }) };
}

const schemaOfItem = (items) =>
  items.element
    ? { type: "object", additionalProperties: false, properties: properties(items.element), required: items.required }
    : items;
