import { TraceFlags, type HrTime } from "@opentelemetry/api";
import type { TraceContext } from "./trace.js";

/** Milliseconds since 1970 as seconds and nanoseconds. */
export const hrTime = (ms: number): HrTime => {
  const whole = Math.floor(ms / 1_000);
  return [whole, Math.round((ms - whole * 1_000) * 1e6)];
};

export const spanContextOf = ({ traceId, spanId, sampled }: TraceContext) => ({
  traceId,
  spanId,
  traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
});
