import { isSpanContextValid, trace } from "@opentelemetry/api";

/**
 * The W3C traceparent of the span under way in the caller's own OpenTelemetry: a job that is submitted in it becomes part of
 * its trace. Undefined where the program has no OpenTelemetry, or no span is under way; then the access point begins a trace.
 */
export function callersTraceparent(): string | undefined {
  const context = trace.getActiveSpan()?.spanContext();
  if (!context || !isSpanContextValid(context)) return undefined;
  return `00-${context.traceId}-${context.spanId}-${context.traceFlags.toString(16).padStart(2, "0")}`;
}
