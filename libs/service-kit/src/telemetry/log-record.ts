import { SeverityNumber } from "@opentelemetry/api";
import type { ReadableLogRecord } from "@opentelemetry/sdk-logs";
import { hrTime, spanContextOf } from "./otel-values.js";

const SEVERITIES: Readonly<Record<string, SeverityNumber>> = {
  trace: SeverityNumber.TRACE,
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
  fatal: SeverityNumber.FATAL,
};

type Record_ = Omit<ReadableLogRecord, "resource" | "instrumentationScope">;

/** A line of the log as a record of OpenTelemetry: the same message, the same fields, and so the same redaction. */
export function logRecordOf(line: string): Record_ | undefined {
  let fields: { [name: string]: unknown };
  try {
    fields = JSON.parse(line) as typeof fields;
  } catch {
    return undefined;
  }
  const { level, time, msg, traceId, spanId, service: _, ...rest } = fields;
  const at = hrTime(typeof time === "string" ? Date.parse(time) : Date.now());
  const attributes: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(rest))
    attributes[name] =
      typeof value === "string" || typeof value === "number" || typeof value === "boolean"
        ? value
        : JSON.stringify(value);
  return {
    hrTime: at,
    hrTimeObserved: at,
    severityText: String(level),
    severityNumber: SEVERITIES[String(level)],
    body: String(msg),
    attributes,
    droppedAttributesCount: 0,
    ...(typeof traceId === "string" &&
      typeof spanId === "string" && { spanContext: spanContextOf({ traceId, spanId, sampled: true }) }),
  };
}
