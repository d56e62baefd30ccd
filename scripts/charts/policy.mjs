// What everything that is rendered must keep to: the restricted pod security standard and some habits of our own.

const VOLUMES = [
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
];
const CONFIDENTIAL = /(PASSWORD|SECRET|TOKEN|API_KEY|DATABASE_URL|REDIS_URL|HEADERS)$/;
const SECRETS_IN_TEXT = /PRIVATE KEY-----|:\/\/[^/\s:]*:[^/\s@]+@/;

/** A sidecar without a server has nothing that a probe could ask. */
const WITHOUT_PROBES = ["setup"];

/** @returns what is wrong with an object, a sentence each */
export function violations(object) {
  const name = `${object.kind}/${object.metadata?.name}`;
  const found = [...general(object), ...(object.kind === "Role" ? role(object) : [])];
  const pod = podOf(object);
  if (pod) found.push(...podViolations(pod, isTask(object)));
  return found.map((what) => `${name}: ${what}`);
}

export const podOf = ({ kind, spec }) =>
  ({
    Deployment: spec?.template,
    StatefulSet: spec?.template,
    Job: spec?.template,
    CronJob: spec?.jobTemplate?.spec.template,
  })[kind]?.spec ?? (kind === "Pod" ? spec : undefined);

const isTask = ({ kind }) => ["Job", "CronJob", "Pod"].includes(kind);

function general({ kind, metadata, data }) {
  const found = [];
  if (kind.startsWith("ClusterRole")) found.push("rights beyond its namespace");
  for (const label of ["name", "instance", "component", "version", "managed-by", "part-of"])
    if (!metadata.labels?.[`app.kubernetes.io/${label}`]) found.push(`no label ${label}`);
  if (kind === "ConfigMap" && SECRETS_IN_TEXT.test(JSON.stringify(data))) found.push("a secret in a ConfigMap");
  return found;
}

const role = ({ rules }) => (JSON.stringify(rules).includes('"*"') ? ["a right to everything"] : []);

function podViolations(pod, task) {
  const found = [];
  if (pod.automountServiceAccountToken !== false) found.push("the account's token is mounted");
  for (const key of ["hostNetwork", "hostPID", "hostIPC"]) if (pod[key]) found.push(key);
  for (const volume of pod.volumes ?? [])
    if (!Object.keys(volume).every((key) => key === "name" || VOLUMES.includes(key)))
      found.push(`volume ${volume.name}`);
  if (pod.securityContext?.runAsNonRoot !== true) found.push("may run as root");
  if (pod.securityContext?.runAsUser === 0) found.push("runs as root");
  if (pod.securityContext?.seccompProfile?.type !== "RuntimeDefault") found.push("no seccomp profile");
  const mains = pod.containers.map((container) => [container, !task]);
  const inits = (pod.initContainers ?? []).map((container) => [container, container.restartPolicy === "Always"]);
  for (const [container, serves] of [...mains, ...inits])
    found.push(...containerViolations(container, serves).map((what) => `container ${container.name}: ${what}`));
  return found;
}

function containerViolations(container, serves) {
  const { resources, securityContext: security, image, env = [] } = container;
  const found = [];
  for (const kind of ["requests", "limits"])
    for (const what of ["cpu", "memory"]) if (!resources?.[kind]?.[what]) found.push(`no ${kind} of ${what}`);
  if (security?.allowPrivilegeEscalation !== false) found.push("may gain privileges");
  if (security?.readOnlyRootFilesystem !== true) found.push("its file system can be written");
  if (security?.privileged) found.push("privileged");
  if (!security?.capabilities?.drop?.includes("ALL") || security.capabilities.add) found.push("keeps capabilities");
  if (!/(:[^/]+|@sha256:[0-9a-f]{64})$/.test(image) || image.endsWith(":latest"))
    found.push(`image ${image} is not pinned`);
  if (serves && !WITHOUT_PROBES.includes(container.name))
    for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"])
      if (!container[probe]) found.push(`no ${probe}`);
  for (const { name, value } of env)
    if (CONFIDENTIAL.test(name) && value !== undefined) found.push(`${name} is not out of a Secret`);
  return found;
}
