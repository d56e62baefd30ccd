// deploy/k8s out of the charts: what Helm would install, for `kubectl apply -k`. Hooks become plain objects, the namespace
// is whatever the overlay says, and nothing is drawn at random.
import { join } from "node:path";
import { stringify } from "yaml";
import { root } from "../dependencies.mjs";
import { nameOf, objectsOf, template } from "./render.mjs";

export const k8sFolder = join(root, "deploy", "k8s");

/** Stands for the namespace while helm renders; in containers it becomes a variable. */
const NAMESPACE = "namespace-of-the-overlay";
const HOOK = "helm.sh/hook";
const JOB_STAYS_SECONDS = 600;
/** Tools of Kubernetes read YAML 1.1, where a plain no is false. */
const YAML = { lineWidth: 0, version: "1.1" };

/** `components` are features that only add objects. */
const BASES = [
  {
    name: "router",
    chart: "parley-router",
    values: [
      "database.existingSecret=router-postgresql",
      "redis.existingSecret=router-redis",
      "migrations.enabled=false",
    ],
    components: { monitoring },
  },
  {
    name: "dealer",
    chart: "parley-dealer",
    values: ["database.existingSecret=dealer-postgresql", "migrations.enabled=false"],
    components: { monitoring },
  },
  {
    name: "access-point",
    chart: "parley-access-point",
    values: ["organisation=name-of-the-overlay"],
    components: {
      monitoring,
      enrolment: () => [
        "enrolment.router.existingSecret=enrolment-router",
        "enrolment.dealer.existingSecret=enrolment-dealer",
      ],
    },
  },
];

function monitoring() {
  // The namespace is the overlay's, which kustomize does not write into expressions.
  const parts = ["podMonitor", "prometheusRule", "dashboards"].map((name) => `metrics.${name}.enabled=true`);
  return [...parts, "metrics.prometheusRule.ownNamespaceOnly=false"];
}

export const k8sFolders = () =>
  BASES.flatMap(({ name, components }) =>
    ["base", ...Object.keys(components)].map((part) => join(k8sFolder, name, part)),
  );

/** @returns a map of path to text */
export async function k8sFiles(helm) {
  const files = new Map();
  for (const { name, chart, values, components } of BASES) {
    const render = async (more) =>
      plain(objectsOf(await template(helm, chart, name, NAMESPACE, settings([...values, ...more]))));
    const base = await render([]);
    addFolder(files, join(k8sFolder, name, "base"), "Kustomization", base);
    const known = new Set(base.map(nameOf));
    for (const [part, more] of Object.entries(components)) {
      const added = (await render(more())).filter((object) => !known.has(nameOf(object)));
      addFolder(files, join(k8sFolder, name, part), "Component", added);
    }
  }
  return files;
}

const settings = (values) => values.flatMap((value) => ["--set", value]);

const plain = (objects) =>
  objects
    .filter(({ metadata }) => metadata.annotations?.[HOOK] !== "test")
    .filter(({ metadata }) => metadata.labels["app.kubernetes.io/component"] !== "test")
    .map(withoutHelm);

function withoutHelm(object) {
  const { metadata } = object;
  delete metadata.namespace;
  for (const key of Object.keys(metadata.annotations ?? {})) if (key.startsWith(HOOK)) delete metadata.annotations[key];
  if (Object.keys(metadata.annotations ?? {}).length === 0) delete metadata.annotations;
  if (object.kind === "Job") object.spec.ttlSecondsAfterFinished = JOB_STAYS_SECONDS; // applied again, it runs again
  visit(object);
  return object;
}

/** Goes through an object: labels of Helm go, and a container learns its namespace and organisation when it starts. */
function visit(node) {
  if (typeof node !== "object" || node === null) return;
  delete node["helm.sh/chart"];
  if (node["app.kubernetes.io/managed-by"]) node["app.kubernetes.io/managed-by"] = "kustomize";
  if (node.kind === "ServiceAccount" && node.namespace) delete node.namespace;
  if (node.image && node.name) ownNamespace(node);
  for (const inner of Object.values(node)) visit(inner);
}

function ownNamespace(container) {
  const organisation = container.env?.find(({ name }) => name === "PARLEY_ORG");
  if (organisation) {
    delete organisation.value;
    organisation.valueFrom = { configMapKeyRef: { name: "organisation", key: "name" } };
  }
  if (!JSON.stringify(container).includes(NAMESPACE)) return;
  for (const key of ["args", "command", "env"])
    if (container[key])
      container[key] = JSON.parse(JSON.stringify(container[key]).replaceAll(NAMESPACE, "$(POD_NAMESPACE)"));
  const variable = { name: "POD_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } };
  container.env = [variable, ...(container.env ?? [])];
}

/** A file for each component of the chart, and the kustomization that names them. */
function addFolder(files, folder, kind, objects) {
  const groups = Map.groupBy(objects, ({ metadata }) => metadata.labels["app.kubernetes.io/component"]);
  const apiVersion = kind === "Component" ? "kustomize.config.k8s.io/v1alpha1" : "kustomize.config.k8s.io/v1beta1";
  const resources = [...groups.keys()].sort().map((name) => `${name}.yaml`);
  const head = "# Made by scripts/charts/generate.mjs from deploy/helm; change the charts, or an overlay.\n";
  files.set(join(folder, "kustomization.yaml"), head + stringify({ apiVersion, kind, resources }));
  for (const [name, members] of groups)
    files.set(join(folder, `${name}.yaml`), head + members.map((one) => stringify(one, YAML)).join("---\n"));
}
