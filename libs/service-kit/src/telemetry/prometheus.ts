import { createServer, type Server } from "node:http";
import { collect, type Exemplar, type Series } from "./metrics.js";
import { METRICS, prometheusLabel, prometheusName, type MetricName } from "./names.js";

const TEXT = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const escape = (text: string) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
const labels = (pairs: readonly (readonly [string, string | number | boolean])[]) =>
  pairs.length === 0
    ? ""
    : `{${pairs.map(([key, value]) => `${prometheusLabel(key)}="${escape(String(value))}"`).join(",")}}`;

/** Only in OpenMetrics: leads from a bucket to a trace. */
const exemplarOf = (exemplar: Exemplar | undefined) =>
  exemplar
    ? ` # {trace_id="${exemplar.trace.traceId}",span_id="${exemplar.trace.spanId}"} ${exemplar.value} ${exemplar.at / 1_000}`
    : "";

function histogramLines(
  name: MetricName,
  metric: string,
  { attributes, buckets, sum, count, exemplars }: Series,
  isOpen: boolean,
) {
  const pairs = Object.entries(attributes);
  const { buckets: bounds } = METRICS[name] as { buckets: readonly number[] };
  let below = 0;
  const lines = buckets!.map((inBucket, index) => {
    below += inBucket;
    const le = [...pairs, ["le", bounds[index] ?? "+Inf"] as const];
    return `${metric}_bucket${labels(le)} ${below}${isOpen ? exemplarOf(exemplars?.[index]) : ""}`;
  });
  return [...lines, `${metric}_sum${labels(pairs)} ${sum}`, `${metric}_count${labels(pairs)} ${count}`];
}

/** The metrics as Prometheus reads them, in its own text format, or in OpenMetrics with exemplars. */
export function prometheusText(
  metrics: ReadonlyMap<MetricName, readonly Series[]>,
  resource: Readonly<Record<string, string>>,
  isOpen = false,
): string {
  const lines = ["# HELP target_info The process", `# TYPE target_info ${isOpen ? "info" : "gauge"}`];
  if (isOpen) lines.splice(0, 2, "# TYPE target info", "# HELP target The process");
  lines.push(`target_info${labels(Object.entries(resource))} 1`);
  for (const [name, entries] of metrics) {
    const { instrument, about } = METRICS[name];
    const metric = prometheusName(name);
    const family = isOpen ? metric.replace(/_total$/, "") : metric;
    lines.push(`# HELP ${family} ${escape(about)}`, `# TYPE ${family} ${instrument}`);
    for (const entry of entries)
      if (entry.buckets) lines.push(...histogramLines(name, metric, entry, isOpen));
      else lines.push(`${metric}${labels(Object.entries(entry.attributes))} ${entry.value}`);
  }
  if (isOpen) lines.push("# EOF");
  return `${lines.join("\n")}\n`;
}

export interface PrometheusEndpoint {
  readonly port: number;
  close(): void;
}

/** Serves GET /metrics, and nothing else, without authentication: who may reach it is the network's matter. @throws Error where the address is taken */
export async function servePrometheus(
  address: string,
  resource: Readonly<Record<string, string>>,
): Promise<PrometheusEndpoint> {
  const server: Server = createServer((request, response) => {
    if (request.method !== "GET" || request.url?.split("?")[0] !== "/metrics") {
      response.writeHead(404).end();
      return;
    }
    const isOpen = request.headers.accept?.includes("application/openmetrics-text") ?? false;
    collect().then(
      (metrics) =>
        response
          .writeHead(200, { "content-type": isOpen ? OPEN_METRICS : TEXT })
          .end(prometheusText(metrics, resource, isOpen)),
      () => response.writeHead(500).end(),
    );
  });
  const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(address)!;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new Error(`cannot serve metrics on ${address}: ${cause.message}; see PARLEY_METRICS_LISTEN`, { cause })),
    );
    server.listen(Number(port), host, resolve);
  });
  server.unref();
  return {
    port: (server.address() as { port: number }).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
