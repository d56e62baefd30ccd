// Which components of a release may call which, by its NetworkPolicies.

/** @returns edges "from -> to:port" within the release, sorted */
export function edges(objects, components, ports) {
  const policies = objects.filter(({ kind }) => kind === "NetworkPolicy").map(({ spec }) => spec);
  const found = [];
  for (const from of components)
    for (const to of components)
      for (const port of ports) {
        const out = allowed(policies, from, "egress", "to", to, port);
        const into = allowed(policies, to, "ingress", "from", from, port);
        if (out && into) found.push(`${from} -> ${to}:${port}`);
      }
  return found.sort();
}

const COMPONENT = "app.kubernetes.io/component";

/** True where one of the policies that hold for `subject` lets `peer` through on a port. */
const allowed = (policies, subject, way, key, peer, port) =>
  policies
    .filter(({ podSelector }) => podSelector.matchLabels[COMPONENT] === subject)
    .flatMap((policy) => policy[way] ?? [])
    .some(
      (rule) =>
        rule.ports.some((one) => one.port === port) && (!rule[key] || rule[key].some((one) => matches(one, peer))),
    );

/** Peers in any namespace match by their other labels: the caller asks about pods of one release. */
const matches = ({ podSelector, namespaceSelector }, peer) => {
  const labels = podSelector?.matchLabels;
  if (labels?.[COMPONENT]) return labels[COMPONENT] === peer;
  return Boolean(namespaceSelector) && !labels && Object.keys(namespaceSelector).length === 0;
};

/** Components for whose pods no policy holds but the one that refuses everything. */
export const uncovered = (objects, components) => {
  const selected = objects
    .filter(({ kind }) => kind === "NetworkPolicy")
    .map(({ spec }) => spec.podSelector.matchLabels[COMPONENT]);
  return components.filter((component) => !selected.includes(component));
};
