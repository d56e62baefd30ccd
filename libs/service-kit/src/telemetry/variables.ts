/** Environment variables of telemetry and logs, as docs/telemetry.md lists them. */
export const TELEMETRY_VARIABLES: Readonly<Record<string, { readonly initial: string; readonly about: string }>> = {
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    initial: "none: off",
    about: "where spans, metrics and logs are sent, e.g. `http://collector:4317`; `https://` for TLS",
  },
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: { initial: "as above", about: "spans alone, or elsewhere" },
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: { initial: "as above", about: "metrics alone, or elsewhere" },
  OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: { initial: "as above", about: "logs alone, or elsewhere" },
  OTEL_EXPORTER_OTLP_PROTOCOL: { initial: "`grpc`", about: "`grpc` or `http/protobuf`" },
  OTEL_EXPORTER_OTLP_HEADERS: { initial: "none", about: "`name=value,...`, e.g. a backend's key; never logged" },
  OTEL_EXPORTER_OTLP_CERTIFICATE: {
    initial: "Node's",
    about: "PEM file of the authority of the collector; `..._CLIENT_KEY` and `..._CLIENT_CERTIFICATE` for mutual TLS",
  },
  OTEL_EXPORTER_OTLP_COMPRESSION: { initial: "none", about: "`gzip`" },
  OTEL_EXPORTER_OTLP_TIMEOUT: { initial: "10000", about: "how long one export may take, milliseconds" },
  OTEL_TRACES_EXPORTER: { initial: "`otlp`", about: "`none` leaves spans out" },
  OTEL_METRICS_EXPORTER: { initial: "`otlp`", about: "`none` leaves metrics out" },
  OTEL_LOGS_EXPORTER: { initial: "`otlp`", about: "`none` leaves logs out" },
  OTEL_SERVICE_NAME: { initial: "`parley-<service>`", about: "`service.name` of everything that leaves" },
  OTEL_RESOURCE_ATTRIBUTES: { initial: "none", about: "`key=value,...` about the process, e.g. `k8s.pod.name`" },
  OTEL_TRACES_SAMPLER: {
    initial: "`parentbased_always_on`",
    about: "`always_on`, `always_off`, `traceidratio`, each also with `parentbased_`",
  },
  OTEL_TRACES_SAMPLER_ARG: { initial: "1", about: "the ratio, 0 to 1; all services decide alike about a trace" },
  OTEL_METRIC_EXPORT_INTERVAL: { initial: "60000", about: "milliseconds between two exports of metrics" },
  OTEL_BSP_SCHEDULE_DELAY: { initial: "5000", about: "milliseconds until spans and logs that were gathered are sent" },
  OTEL_BSP_MAX_QUEUE_SIZE: {
    initial: "8192",
    about: "spans, and lines of the log, that wait at most; more are dropped",
  },
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: { initial: "512", about: "spans, and lines, in one export" },
  OTEL_SDK_DISABLED: { initial: "false", about: "`true`: nothing through OTLP, whatever the rest says" },
  PARLEY_METRICS_LISTEN: {
    initial: "none: off",
    about: "host:port of the Prometheus endpoint `/metrics`; plaintext, without authentication",
  },
  PARLEY_TRACE_BOUNDARY: {
    initial: "`continue`",
    about:
      "at an access point and its workers: `continue` a partner's trace, or begin a new one that has a `link` to theirs",
  },
  PARLEY_LOG_LEVEL: { initial: "`info`", about: "`debug`, `info`, `warn`, `error`" },
  PARLEY_LOG_LEVEL_FILE: {
    initial: "none",
    about: "file that holds a level, e.g. of a ConfigMap; read every two seconds, counts more than `PARLEY_LOG_LEVEL`",
  },
};
