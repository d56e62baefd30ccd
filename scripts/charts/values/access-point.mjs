// Values of the chart parley-access-point.
import { boolean, choice, component, element, group, integer, list, map, string, strings } from "./leaf.mjs";
import { address, general, networkPolicy, observability, ports, routes, tasks } from "./shared.mjs";
import { resources, workload } from "./workload.mjs";

const inCluster = (name) => [
  { namespaceSelector: {}, podSelector: { matchLabels: { "app.kubernetes.io/name": name } } },
];
/** Jobs that wait for this organisation, where Prometheus reads the router too. */
const QUEUE = {
  name: "queue",
  query: 'sum(max by (organisation) (parley_queue_depth{organisation="{{ .Values.organisation }}"}))',
  threshold: "8",
};
const inNamespace = (query) => query.replaceAll("NAMESPACE", 'namespace="{{ .Release.Namespace }}"');
/**
 * A fifth more pods than there are (a tenth is within the autoscaler's tolerance) for as long as a model that runs has had nothing
 * prepared for most of two minutes. Counts of empty pods or models would not tell how many pods are needed, and where nothing
 * runs, for the dealer or the partner is away, more pods would not help.
 */
const STOCK = {
  name: "stock",
  query: inNamespace(
    "1.2 * count(count by (pod) (parley_session_active{NAMESPACE})) and on () count(" +
      "sum_over_time((sum by (model) (parley_stock_batches{NAMESPACE}) == bool 0)[2m:15s]) > 4" +
      " and on (model) sum by (model) (increase(parley_online_duration_seconds_count{NAMESPACE}[2m])) > 0)",
  ),
  threshold: "1",
};
/** Sessions that are prepared or run at once, on average: the one sign of load that a model's owner has. */
const BUSY = {
  name: "busy",
  query: inNamespace(
    "sum(rate(parley_online_duration_seconds_sum{NAMESPACE}[2m]))" +
      " + sum(rate(parley_offline_duration_seconds_sum{NAMESPACE}[2m]))",
  ),
  threshold: "2",
};
const token = (operator) =>
  group(`At the ${operator}.`, {
    existingSecret: string(
      `Secret whose key \`token\` holds the one-time token that the ${operator}'s operator gave you. Empty: not yet.`,
    ),
  });

export const accessPoint = {
  ...general,
  organisation: string("Your organisation's name, which everybody will see. It can never change.", "", {
    pattern: "^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$",
  }),
  enrolment: group("How the organisation joins; done again only where it has not been done.", {
    router: token("router"),
    dealer: token("dealer"),
    trust: list(
      "Partners and dealer that you trust, by the fingerprint that they told you by another way.",
      [],
      element(
        {
          organisation: string("Name of the organisation.", "", { minLength: 1 }),
          fingerprint: string("Its fingerprint.", "", { minLength: 8 }),
        },
        ["organisation", "fingerprint"],
      ),
    ),
  }),
  accessPoint: component(
    "The access point: one pod with one volume. Takes any value of `workload` but replicas and autoscalers.",
    {
      advertise: string(
        "Host name under which users outside the cluster reach it: put into its certificate, as those of ingress and gateway.",
        "",
        { pattern: "^[^:/]*$" },
      ),
      adminKeySecret: string("Secret whose key `api-key` is the first administrator's key; by default one is made."),
      traceBoundary: choice(
        "Whether another organisation's trace goes on here, or a new one begins with a link.",
        "continue",
        ["continue", "link"],
      ),
      attempts: integer("Attempts taken from the scheduler at once.", 16, { minimum: 1 }),
      maxModelBytes: integer("Largest model.", 536870912, { minimum: 1 }),
      maxInputBytes: integer("Largest input.", 536870912, { minimum: 1 }),
      persistence: group("The volume of the vault: keys, models, inputs, results, the ledger of what was revealed.", {
        size: string("Size.", "10Gi", { minLength: 2 }),
        storageClass: string("Class; it must really synchronise writes."),
        annotations: map("Annotations of the claim."),
        retain: choice("What becomes of the volume when the release is removed.", "Retain", ["Retain", "Delete"]),
      }),
      sidecarResources: resources(
        "`parley setup`, which keeps the Secrets of workers and administrator.",
        "10m",
        "64Mi",
        "200m",
        "256Mi",
      ),
    },
    { resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { cpu: "2", memory: "2Gi" } } },
    workload,
    ["replicas", "rollingUpdate", "autoscaling", "keda", "topologySpread"],
  ),
  worker: component(
    "Workers, which compute. Takes any value of `workload`.",
    {
      endpoint: address("host:port where partners' workers reach yours; by default the headless Service."),
      extraDnsNames: strings("More host names in workers' certificates."),
      concurrency: integer("Runs at once in one worker.", 4, { minimum: 1, maximum: 256 }),
      lot: integer("Batches that are drawn from the dealer together.", 16, { minimum: 1, maximum: 64 }),
      partnerConnections: integer(
        "Connections to a partner's address where its name leads to only one: several, where its workers are behind a gateway or load balancer.",
        1,
        { minimum: 1, maximum: 64 },
      ),
      externalService: group("A second Service for partners outside the cluster.", {
        enabled: boolean("Creates it.", false),
        type: choice("Kind of the Service.", "LoadBalancer", ["LoadBalancer", "NodePort", "ClusterIP"]),
        annotations: map("Its annotations."),
        sourceRanges: strings("Addresses that the load balancer lets in."),
      }),
    },
    {
      replicas: 2,
      drainSeconds: 60,
      keda: { triggers: [QUEUE, STOCK, BUSY] },
      resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { cpu: "4", memory: "2Gi" } },
    },
    workload,
    ["service"],
  ),
  workload,
  selfTest: group(
    "`helm test` with a private prediction by a self-test organisation, which the access point invites. Not for production.",
    {
      enabled: boolean("Allows it here; router and dealer must allow it too (their `selfTest.enabled`).", false),
      resources: resources("What the test asks for and may use at most.", "100m", "512Mi", "2", "1536Mi"),
    },
  ),
  ...routes(["access-point", "worker"]),
  ...networkPolicy({
    members: list("Who may use the access point: SDK and CLI; empty: everybody."),
    partners: list("Whose workers may call your workers; empty: everybody's."),
    router: ports("Where the router is.", [8443, 8444]),
    dealer: ports("Where the dealer is.", [8443, 8444]),
    partnerWorkers: ports("Where partners' workers are.", [8443]),
  }),
  ...observability,
  ...tasks,
};
for (const [name, chart] of [
  ["router", "parley-router"],
  ["dealer", "parley-dealer"],
  ["partnerWorkers", "parley-access-point"],
])
  accessPoint.networkPolicy.properties[name].properties.peers.value = inCluster(chart);
