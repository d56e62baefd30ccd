import { hostname } from "node:os";
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { addressVariable, readEnvironment } from "../config/environment.js";
import type { Sampler } from "./state.js";

export type Signal = "traces" | "metrics" | "logs";
export type Protocol = "grpc" | "http/protobuf";

/** What the environment says about telemetry. Empty variables count as unset, as OpenTelemetry's specification asks. */
export interface TelemetrySettings {
  /** Signals that are exported through OTLP, and how. */
  readonly otlp: Readonly<Partial<Record<Signal, Protocol>>>;
  /** host:port of Prometheus' text. */
  readonly metricsListen: string | undefined;
  readonly sampler: Sampler;
  readonly boundary: "continue" | "link";
  /** Milliseconds between two exports of metrics. */
  readonly metricsEveryMs: number;
  readonly batch: {
    readonly scheduledDelayMillis: number;
    readonly maxQueueSize: number;
    readonly maxExportBatchSize: number;
  };
  /** Attributes of the process: what OTEL_RESOURCE_ATTRIBUTES says, service name and instance. */
  readonly resource: Readonly<Record<string, string>>;
}

const whole = (fallback: number) => z.coerce.number().int().positive().default(fallback);
const exporter = z.enum(["otlp", "none"], "must be otlp or none").default("otlp");
const SAMPLERS = ["always_on", "always_off", "traceidratio"] as const;

/** Variables of services that say something about telemetry as well. */
const OF_SERVICES = { PARLEY_ORG: z.string().optional(), PARLEY_TRUST_DOMAIN: z.string().optional() };

const variables = {
  ...OF_SERVICES,
  PARLEY_METRICS_LISTEN: addressVariable.optional(),
  PARLEY_TRACE_BOUNDARY: z.enum(["continue", "link"]).default("continue"),
  OTEL_SDK_DISABLED: z.string().default("false"),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.string().optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: z.string().optional(),
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: z.string().optional(),
  OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: z.string().optional(),
  OTEL_EXPORTER_OTLP_PROTOCOL: z.enum(["grpc", "http/protobuf"]).default("grpc"),
  OTEL_TRACES_EXPORTER: exporter,
  OTEL_METRICS_EXPORTER: exporter,
  OTEL_LOGS_EXPORTER: exporter,
  OTEL_SERVICE_NAME: z.string().optional(),
  OTEL_RESOURCE_ATTRIBUTES: z.string().default(""),
  OTEL_TRACES_SAMPLER: z
    .enum(SAMPLERS.flatMap((name) => [name, `parentbased_${name}` as const]))
    .default("parentbased_always_on"),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1),
  OTEL_METRIC_EXPORT_INTERVAL: whole(60_000),
  OTEL_BSP_SCHEDULE_DELAY: whole(5_000),
  OTEL_BSP_MAX_QUEUE_SIZE: whole(8_192),
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: whole(512),
};

/** Variables that are read here; the exporters themselves read the rest of OTEL_EXPORTER_OTLP_*. */
export const SETTING_NAMES: readonly string[] = Object.keys(variables).filter((name) => !(name in OF_SERVICES));

/** @throws Error that names every variable that is wrong */
export function readTelemetrySettings(service: string, env: NodeJS.ProcessEnv = process.env): TelemetrySettings {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const read = readEnvironment(variables, given);
  const isOff = read.OTEL_SDK_DISABLED.toLowerCase() === "true";
  const otlp: Partial<Record<Signal, Protocol>> = {};
  for (const signal of ["traces", "metrics", "logs"] as const) {
    const name = signal.toUpperCase() as Uppercase<Signal>;
    const endpoint = read[`OTEL_EXPORTER_OTLP_${name}_ENDPOINT`] ?? read.OTEL_EXPORTER_OTLP_ENDPOINT;
    if (endpoint && read[`OTEL_${name}_EXPORTER`] !== "none" && !isOff) otlp[signal] = read.OTEL_EXPORTER_OTLP_PROTOCOL;
  }
  return {
    otlp,
    metricsListen: read.PARLEY_METRICS_LISTEN,
    sampler: samplerOf(read.OTEL_TRACES_SAMPLER, read.OTEL_TRACES_SAMPLER_ARG),
    boundary: read.PARLEY_TRACE_BOUNDARY,
    metricsEveryMs: read.OTEL_METRIC_EXPORT_INTERVAL,
    batch: {
      scheduledDelayMillis: read.OTEL_BSP_SCHEDULE_DELAY,
      maxQueueSize: read.OTEL_BSP_MAX_QUEUE_SIZE,
      maxExportBatchSize: Math.min(read.OTEL_BSP_MAX_EXPORT_BATCH_SIZE, read.OTEL_BSP_MAX_QUEUE_SIZE),
    },
    resource: {
      ...namespace(read.PARLEY_ORG ?? read.PARLEY_TRUST_DOMAIN),
      "service.instance.id": randomBytes(16).toString("hex"),
      "host.name": hostname(),
      ...resourceAttributes(read.OTEL_RESOURCE_ATTRIBUTES),
      "service.name": read.OTEL_SERVICE_NAME ?? `parley-${service}`,
    },
  };
}

/** Whose process it is, where its configuration says so. */
const namespace = (name: string | undefined): Record<string, string> => (name ? { "service.namespace": name } : {});

/** `key=value,key=value`, values percent-encoded. */
const resourceAttributes = (text: string): Record<string, string> =>
  Object.fromEntries(
    text
      .split(",")
      .map((pair) => pair.split("=").map((part) => part.trim()))
      .filter(([key, value]) => key && value)
      .map(([key, value]) => [key, decoded(value)]),
  );

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

/** A ratio goes by the trace's id, so that all services decide alike. */
function samplerOf(name: string, ratio: number): Sampler {
  const kind = name.replace("parentbased_", "");
  const own = (traceId: string) =>
    kind === "always_on" || (kind === "traceidratio" && Number.parseInt(traceId.slice(-14), 16) < ratio * 2 ** 56);
  return name.startsWith("parentbased_") ? (traceId, parent) => parent ?? own(traceId) : own;
}
