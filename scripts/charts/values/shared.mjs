// Values that all charts have.
import { boolean, choice, element, group, integer, list, map, string, strings } from "./leaf.mjs";
import { resources } from "./workload.mjs";

export const general = {
  image: group("The image of all services.", {
    repository: string("Where it is.", "parley", { minLength: 1 }),
    tag: string("Its tag; by default the chart's appVersion."),
    digest: string("Its digest, instead of the tag.", "", { pattern: "^(sha256:[0-9a-f]{64})?$" }),
    pullPolicy: choice("When it is pulled.", "IfNotPresent", ["Always", "IfNotPresent", "Never"]),
    pullSecrets: list("Secrets for the registry."),
  }),
  fullnameOverride: string("Start of all objects' names; by default the release's name.", "", {
    pattern: "^([a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?)?$",
  }),
  clusterDomain: string("Domain of the cluster's names.", "cluster.local", { minLength: 1 }),
  commonLabels: map("More labels of all objects."),
  commonAnnotations: map("Annotations of all objects."),
  logLevel: choice("Level of all logs. Pods follow a change without a restart.", "info", [
    "debug",
    "info",
    "warn",
    "error",
  ]),
};

const metrics = group("Prometheus.", {
  enabled: boolean("Serves /metrics on port 9464 of each pod.", true),
  podMonitor: group("For the Prometheus operator.", {
    enabled: boolean("Creates a PodMonitor.", false),
    interval: string("How often metrics are read.", "30s", { pattern: "^[0-9]+(ms|s|m)$" }),
    labels: map("Labels by which your Prometheus finds it."),
  }),
  prometheusRule: group("Alerts, for the Prometheus operator.", {
    enabled: boolean("Creates the PrometheusRules.", false),
    labels: map("Labels by which your Prometheus finds them."),
    ownNamespaceOnly: boolean(
      "They look at the release's own namespace, so that releases that share a Prometheus raise each alert once.",
      true,
    ),
    runbookBase: string("Where you publish docs/runbooks: alerts then carry a runbook_url below it."),
  }),
  dashboards: group("Dashboards, for Grafana's sidecar.", {
    enabled: boolean("Creates a ConfigMap for each.", false),
    labels: map("Labels by which the sidecar finds them.", { grafana_dashboard: "1" }),
    annotations: map("Annotations, e.g. the folder in Grafana."),
  }),
});

const telemetry = group("OpenTelemetry: traces, metrics and logs through OTLP.", {
  endpoint: string("Where they are sent, e.g. http://collector.monitoring:4317. Empty: nothing is exported."),
  protocol: choice("Protocol of the endpoint.", "grpc", ["grpc", "http/protobuf"]),
  headersSecret: string("Secret whose key `headers` holds headers for the endpoint (name=value, comma separated)."),
  sampler: choice("Which traces are kept.", "parentbased_always_on", [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
  ]),
  samplerArgument: string("Share of traces that traceidratio keeps, e.g. 0.1."),
  metricIntervalMs: integer("How often metrics are sent, milliseconds.", 60000, { minimum: 1000 }),
  resourceAttributes: map("More attributes of everything that is exported."),
});

const jobs = group("Short tasks: setup, migrations, enrolment, tests.", {
  resources: resources("What each asks for and may use at most.", "20m", "96Mi", "1", "384Mi"),
  backoffLimit: integer("How often a failed one is tried again.", 6, { minimum: 0 }),
  deadlineSeconds: integer("How long one may take in all, seconds.", 600, { minimum: 10 }),
});

/** What an operator decides on self tests of organisations. */
export const invitations = {
  selfTest: group("Self tests of organisations. Not for production.", {
    enabled: boolean(
      "Lets an access point invite an organisation of its own, for its `helm test`: the operator's people do not meet it.",
      false,
    ),
  }),
};

export const observability = { metrics, telemetry };
export const tasks = { jobs };

/** Rules for pods of these sections; `more` are the chart's own edges. Every list of peers is one of NetworkPolicyPeer. */
export const networkPolicy = (more) => ({
  networkPolicy: group(
    "NetworkPolicies: nothing passes but what the architecture names. Peers are NetworkPolicyPeers.",
    {
      enabled: boolean("Creates them.", true),
      ...more,
      dns: list("Where names are resolved; empty: anywhere.", [
        { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } } },
      ]),
      metrics: list("Who may read metrics; empty: everybody.", [{ namespaceSelector: {} }]),
      otlp: ports("Where telemetry.endpoint is.", [4317, 4318]),
      apiServer: ports("Where the Kubernetes API is, for setup.", [443, 6443]),
    },
  ),
});

/** An address as others are told it; empty is the chart's own choice. */
export const address = (description) => string(description, "", { pattern: "^([^:]+:[0-9]+)?$" });

export const ports = (description, numbers) =>
  group(description, {
    peers: list("Peers; empty: anywhere."),
    ports: list("Ports.", numbers, { type: "integer", minimum: 1, maximum: 65535 }),
  });

/** Ways in from outside, for these components. TLS passes through. */
export const routes = (components) => {
  const at = {
    component: choice("Component that answers.", components[0], components),
    port: choice("mtls for services, enrol for first contact and users.", "mtls", ["mtls", "enrol"]),
  };
  return {
    ingress: group(
      "Ingress that passes TLS through; the controller must be able to (ingress-nginx: --enable-ssl-passthrough).",
      {
        enabled: boolean("Creates it.", false),
        className: string("IngressClass."),
        annotations: map("Annotations that switch passthrough on.", {
          "nginx.ingress.kubernetes.io/ssl-passthrough": "true",
        }),
        hosts: list(
          "A host name for each server that is reached from outside.",
          [],
          element({ host: string("Host name.", "", { minLength: 1 }), ...at }, ["host", "component", "port"]),
        ),
      },
    ),
    gateway: group("Gateway API: TLSRoutes to a listener of protocol TLS, mode Passthrough.", {
      enabled: boolean("Creates them.", false),
      apiVersion: string("Version of TLSRoute that the cluster has.", "gateway.networking.k8s.io/v1", {
        pattern: "^gateway\\.networking\\.k8s\\.io/v1",
      }),
      parentRefs: list("Gateways."),
      annotations: map("Annotations of the routes."),
      routes: list(
        "Host names for each server that is reached from outside.",
        [],
        element({ hosts: strings("Host names."), parentRefs: list("Gateways for this route alone."), ...at }, [
          "hosts",
          "component",
          "port",
        ]),
      ),
    }),
  };
};
