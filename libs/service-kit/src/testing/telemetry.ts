import { collect, forgetMetrics } from "../telemetry/metrics.js";
import { state, type SpanRecord } from "../telemetry/state.js";

/** For specs: keeps spans and metrics of this process until `end`. */
export function recordTelemetry() {
  const spans: SpanRecord[] = [];
  forgetMetrics();
  state.spans = (span) => spans.push(span);
  state.metrics = true;
  return {
    spans: spans as readonly SpanRecord[],
    /** Series of all metrics, by name. */
    metrics: collect,
    end() {
      state.spans = undefined;
      state.metrics = false;
      forgetMetrics();
    },
  };
}
