import type { AttributeName } from "./names.js";
import type { TraceContext } from "./trace.js";

export type AttributeValues = { readonly [K in AttributeName]?: string | number | boolean };

/** A span that has ended, as it is handed to the exporter. Times are milliseconds since 1970, with fractions. */
export interface SpanRecord {
  /** As shown: the method of a call, the name of a statement, otherwise the name in names.ts. */
  readonly name: string;
  readonly kind: "internal" | "server" | "client";
  readonly context: TraceContext;
  readonly parentSpanId: string | undefined;
  readonly start: number;
  readonly end: number;
  readonly attributes: AttributeValues;
  readonly links: readonly TraceContext[];
  readonly failed: boolean;
}

/** Whether a trace is recorded: by its id and what its parent decided. */
export type Sampler = (traceId: string, parent: boolean | undefined) => boolean;

/** What is on in this process. All of it is off until `startTelemetry`; hot paths look at a field, and nothing else. */
export const state: {
  /** Takes ended spans; undefined while traces are off. */
  spans: ((span: SpanRecord) => void) | undefined;
  /** True while somebody reads metrics. */
  metrics: boolean;
  /** Takes lines of the log; undefined while logs are not exported. */
  logs: ((line: string) => void) | undefined;
  sampler: Sampler;
  /** What becomes of a trace of another organisation. */
  boundary: "continue" | "link";
  /** Names that are not in names.ts throw: in tests. */
  strict: boolean;
} = {
  spans: undefined,
  metrics: false,
  logs: undefined,
  sampler: (_, parent) => parent ?? true,
  boundary: "continue",
  strict: process.env.VITEST !== undefined,
};
