import { DiagLogLevel, diag } from "@opentelemetry/api";
import { OTLPExporterBase, type IOtlpExportDelegate } from "@opentelemetry/otlp-exporter-base";
import { convertLegacyHttpOptions, createOtlpHttpExportDelegate } from "@opentelemetry/otlp-exporter-base/node-http";
import { convertLegacyOtlpGrpcOptions, createOtlpGrpcExportDelegate } from "@opentelemetry/otlp-grpc-exporter-base";
import {
  LogsExporterMetricsHelper,
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper,
  type IExporterMetricsHelper,
  type ISerializer,
} from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor } from "@opentelemetry/sdk-logs";
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace";
import { ExportedSpan } from "./exported-span.js";
import { logRecordOf } from "./log-record.js";
import { collect } from "./metrics.js";
import { SCOPE, encodeMetrics } from "./otlp-metrics.js";
import type { Protocol, Signal, TelemetrySettings } from "./settings.js";
import { state } from "./state.js";

const SERVICES = { traces: "Trace", metrics: "Metrics", logs: "Logs" };

/** How one signal leaves; endpoint, headers, certificates, compression and timeouts are read from the environment. */
function delegateOf<Q, R>(
  signal: Signal,
  protocol: Protocol,
  serializer: ISerializer<Q, R>,
  helper: IExporterMetricsHelper<Q>,
): IOtlpExportDelegate<Q> {
  const upper = signal.toUpperCase();
  if (protocol === "grpc") {
    const service = `${SERVICES[signal]}Service`;
    const path = `/opentelemetry.proto.collector.${signal === "traces" ? "trace" : signal}.v1.${service}/Export`;
    return createOtlpGrpcExportDelegate(
      convertLegacyOtlpGrpcOptions({}, upper),
      serializer,
      "otlp",
      helper,
      undefined,
      service,
      path,
    );
  }
  const options = convertLegacyHttpOptions({}, upper, `v1/${signal}`, { "Content-Type": "application/x-protobuf" });
  return createOtlpHttpExportDelegate(options, serializer, "otlp", helper, undefined);
}

/** Starts to export what the settings name. Returns how to end it: what is left is sent, for five seconds at most. */
export function startOtlp(settings: TelemetrySettings, onTrouble: (what: string) => void): () => Promise<void> {
  diag.setLogger(
    { error: onTrouble, warn: onTrouble, info: () => {}, debug: () => {}, verbose: () => {} },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const resource = resourceFromAttributes(settings.resource);
  const instrumentationScope = { name: SCOPE };
  const ends: (() => Promise<void>)[] = [];
  const { traces, metrics, logs } = settings.otlp;

  if (traces) {
    const exporter = new OTLPExporterBase(
      delegateOf("traces", traces, ProtobufTraceSerializer, TraceExporterMetricsHelper),
    );
    const processor = new BatchSpanProcessor({ exporter, ...settings.batch });
    state.spans = (span) => processor.onEnd(new ExportedSpan(span, resource));
    ends.push(() => processor.shutdown());
  }
  if (logs) {
    const exporter = new OTLPExporterBase(delegateOf("logs", logs, ProtobufLogsSerializer, LogsExporterMetricsHelper));
    const processor = new BatchLogRecordProcessor({ exporter, ...settings.batch });
    state.logs = (line) => {
      const record = logRecordOf(line);
      // The processor reads of a record what the serializer reads: the part that can be changed is not used.
      if (record)
        processor.onEmit({ ...record, resource, instrumentationScope } as Parameters<typeof processor.onEmit>[0]);
    };
    ends.push(() => processor.shutdown());
  }
  if (metrics) {
    const since = Date.now();
    const serializer: ISerializer<Uint8Array, unknown> = {
      serializeRequest: (request) => request,
      deserializeResponse: (data) => ProtobufMetricsSerializer.deserializeResponse(data),
    };
    const helper: IExporterMetricsHelper<Uint8Array> = { name: "metric_data_point", countItems: () => 1 };
    const exporter = new OTLPExporterBase(delegateOf("metrics", metrics, serializer, helper));
    const send = async () => {
      const request = encodeMetrics(await collect(), settings.resource, since);
      await new Promise<void>((resolve) =>
        exporter.export(request, ({ error }) => {
          if (error) onTrouble(error.message);
          resolve();
        }),
      );
    };
    const timer = setInterval(() => void send(), settings.metricsEveryMs).unref();
    ends.push(async () => {
      clearInterval(timer);
      await send();
      await exporter.shutdown();
    });
  }
  return async () => {
    const late = new Promise<void>((resolve) => setTimeout(resolve, 5_000).unref());
    await Promise.race([Promise.allSettled(ends.map((end) => end())), late]);
    state.spans = undefined;
    state.logs = undefined;
  };
}
