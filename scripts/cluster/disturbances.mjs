// What a cluster does to its pods, done on purpose while jobs run.
import { setTimeout as pause } from "node:timers/promises";
import { getJson, helm, kubectl } from "./commands.mjs";
import { OPERATORS, chartOf, valuesFor } from "./installation.mjs";

const READY = "--timeout=180s";

const isDatabase = ({ metadata }) => /postgresql|valkey/.test(metadata.labels["app.kubernetes.io/component"] ?? "");

/** Pods of a namespace that serve, not those of jobs: Parley's own, or the databases that a trial brings. */
async function servingPods(namespace, databases) {
  const { items } = await getJson(namespace, "pods", "-l", "app.kubernetes.io/part-of=parley");
  return items
    .filter(({ status, metadata }) => status.phase === "Running" && !metadata.deletionTimestamp)
    .filter(({ metadata }) => !metadata.ownerReferences?.some(({ kind }) => kind === "Job"))
    .filter((pod) => isDatabase(pod) === databases)
    .map(({ metadata }) => metadata.name);
}

/** Deletes each serving pod in turn and waits until what it belonged to is ready again. @returns their names */
export async function deleteEachPod(say, { namespaces = OPERATORS, databases = false } = {}) {
  const deleted = [];
  for (const namespace of namespaces)
    for (const pod of await servingPods(namespace, databases)) {
      say(`deleting ${namespace}/${pod} ...`);
      await kubectl(namespace, "delete", "pod", pod, "--wait=true", "--timeout=120s");
      await ready(namespace);
      deleted.push(`${namespace}/${pod}`);
    }
  return deleted;
}

export async function ready(namespace) {
  const { items } = await getJson(namespace, "deployments,statefulsets");
  for (const { kind, metadata } of items)
    await kubectl(namespace, "rollout", "status", `${kind.toLowerCase()}/${metadata.name}`, READY);
}

/** Upgrades each release (new pods, by an annotation that changes), then rolls each back. @returns what was done */
export async function upgradeAndRollBack(options, stamp, say, names = OPERATORS) {
  const done = [];
  for (const name of names) {
    say(`helm upgrade ${name} ...`);
    const more = [`workload.podAnnotations.parley\\.test/upgrade=u${stamp}`];
    await helm(name, "upgrade", name, chartOf(name), "--wait", "--timeout", "5m", ...valuesFor(name, options, more));
    done.push(`upgrade ${name}`);
  }
  for (const name of names) {
    say(`helm rollback ${name} ...`);
    await helm(name, "rollback", name, "--wait", "--timeout", "5m");
    done.push(`rollback ${name}`);
  }
  await pause(1000);
  return done;
}
