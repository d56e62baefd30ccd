// Values of pods, which every component takes from `workload` and may set for itself.
import {
  boolean,
  choice,
  element,
  group,
  integer,
  kubernetes,
  list,
  map,
  optionalInteger,
  share,
  string,
  strings,
} from "./leaf.mjs";

const resources = (description, cpu, memory, cpuLimit, memoryLimit) =>
  kubernetes(description, { requests: { cpu, memory }, limits: { cpu: cpuLimit, memory: memoryLimit } });

export const workload = group(
  "Pods of every component. A component's own section may set any of these for itself; maps are merged, all else replaced.",
  {
    replicas: integer("Pods, where no autoscaler decides.", 2, { minimum: 0 }),
    resources: resources("What a container asks for and may use at most.", "50m", "160Mi", "1", "512Mi"),
    drainSeconds: integer("How long a pod that ends waits for running work, seconds.", 30, { minimum: 1 }),
    preStopSeconds: integer(
      "How long a pod that ends goes on serving first, so that everybody learns that it leaves, seconds.",
      5,
      { minimum: 0 },
    ),
    terminationGracePeriodSeconds: integer("0: preStopSeconds + drainSeconds + 15.", 0, { minimum: 0 }),
    startupSeconds: integer("How long a start may take before the pod is started again, seconds.", 180, {
      minimum: 10,
    }),
    rollingUpdate: group("How pods are replaced in an upgrade.", {
      maxUnavailable: share("Pods that may be missing.", 0),
      maxSurge: share("Pods that may be there in addition.", 1),
    }),
    podDisruptionBudget: group("What a drain of nodes may take at once.", {
      enabled: boolean("Creates a PodDisruptionBudget.", true),
      maxUnavailable: share("Pods that an eviction may take at once.", 1),
    }),
    autoscaling: group("HorizontalPodAutoscaler on CPU.", {
      enabled: boolean("Creates it.", false),
      minReplicas: integer("Pods at least.", 2, { minimum: 1 }),
      maxReplicas: integer("Pods at most.", 6, { minimum: 1 }),
      cpuPercent: integer("CPU that is aimed at, percent of the request.", 70, { minimum: 1 }),
      scaleDownSeconds: integer("How long less is needed before pods are removed, seconds.", 300, { minimum: 0 }),
    }),
    keda: group("KEDA ScaledObject on what Prometheus knows. Excludes autoscaling.", {
      enabled: boolean("Creates it; KEDA must be installed.", false),
      serverAddress: string("Address of Prometheus, e.g. http://prometheus.monitoring:9090."),
      minReplicas: integer("Pods at least; 0 only with a trigger that work for which there is no pod yet raises.", 2, {
        minimum: 0,
      }),
      maxReplicas: integer("Pods at most.", 10, { minimum: 1 }),
      pollingSeconds: integer("How often Prometheus is asked, seconds.", 15, { minimum: 1 }),
      scaleDownSeconds: integer("How long less is needed before pods are removed, seconds.", 300, { minimum: 0 }),
      cooldownSeconds: integer(
        "With minReplicas 0: how long nothing is to do before the last pod goes, seconds.",
        300,
        {
          minimum: 0,
        },
      ),
      triggers: list(
        "Queries, each with the value that one pod serves; the one that asks for the most pods decides. Templates are evaluated in them.",
        [],
        element(
          {
            name: string("Name of the trigger."),
            query: string("PromQL that gives one number.", "", { minLength: 1 }),
            threshold: string("The number that one pod serves.", "", { minLength: 1 }),
            activationThreshold: string("Above this, the first pod starts."),
          },
          ["query", "threshold"],
        ),
      ),
    }),
    topologySpread: group("Spreads the pods of a component.", {
      enabled: boolean("Adds topologySpreadConstraints.", true),
      topologyKeys: strings("Labels of nodes over which pods are spread.", [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
      ]),
      maxSkew: integer("Difference between two places that is accepted.", 1, { minimum: 1 }),
      whenUnsatisfiable: choice("Whether a pod waits for its place.", "ScheduleAnyway", [
        "ScheduleAnyway",
        "DoNotSchedule",
      ]),
    }),
    priorityClassName: string("PriorityClass of the pods."),
    runtimeClassName: string("RuntimeClass of the pods, e.g. gVisor's."),
    nodeSelector: map("Labels that a node must have."),
    tolerations: list("Taints that the pods tolerate."),
    affinity: kubernetes("Affinity rules."),
    runAsUser: optionalInteger("User id; null where the platform gives one.", 1000),
    runAsGroup: optionalInteger("Group id; null where the platform gives one.", 1000),
    fsGroup: optionalInteger("Group of volumes; null where the platform gives one.", 1000),
    serviceAccount: group("Account of the pods. None gets a token, but where the README says so.", {
      create: boolean("Creates it.", true),
      name: string("Its name; by default the component's."),
      annotations: map("Its annotations."),
    }),
    service: group("How a component is reached.", {
      type: choice("Kind of the Service.", "ClusterIP", ["ClusterIP", "NodePort", "LoadBalancer"]),
      annotations: map("Its annotations."),
      loadBalancerClass: string("Class of the load balancer."),
      loadBalancerSourceRanges: strings("Addresses that a load balancer lets in."),
      externalTrafficPolicy: choice("Local keeps callers' addresses.", "Cluster", ["Cluster", "Local"]),
    }),
    annotations: map("Annotations of the workload object."),
    podLabels: map("More labels of the pods."),
    podAnnotations: map("Annotations of the pods."),
    extraEnv: list("More environment variables."),
    extraEnvFrom: list("ConfigMaps and Secrets with more environment variables."),
    extraVolumes: list("More volumes."),
    extraVolumeMounts: list("Where the main container mounts them."),
    extraContainers: list("More containers."),
    extraInitContainers: list("More init containers."),
    hostAliases: list("Names that the pods resolve by themselves."),
    dnsConfig: kubernetes("Name resolution of the pods."),
  },
);
export { resources };
