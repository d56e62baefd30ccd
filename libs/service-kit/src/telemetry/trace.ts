import { AsyncLocalStorage } from "node:async_hooks";
import { randomFillSync } from "node:crypto";
import { state } from "./state.js";

/** W3C trace context: the span under way, whoever records it. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  readonly sampled: boolean;
  /** True where nobody records a span of this id: what begins under it is a root. */
  readonly isNew?: boolean;
}

const PATTERN = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;
const store = new AsyncLocalStorage<TraceContext | undefined>();

const pool = Buffer.alloc(4096);
let at = pool.length;

/** Random identifiers, not secrets: drawn for many at a time, since every call takes some. */
function newId(bytes: number): string {
  if (at + bytes > pool.length) {
    randomFillSync(pool);
    at = 0;
  }
  return pool.toString("hex", at, (at += bytes));
}

export const newSpanId = () => newId(8);

/** The context of a new trace. */
export function newTrace(): TraceContext {
  const traceId = newId(16);
  return { traceId, spanId: newSpanId(), sampled: state.sampler(traceId, undefined), isNew: true };
}

/** The context that a traceparent names, so that spans and calls under it are children of the caller's; a new trace where there is none or it is malformed. */
export function continueTrace(traceparent: string | undefined): TraceContext {
  const match = traceparent ? PATTERN.exec(traceparent) : null;
  if (!match) return newTrace();
  const [, traceId, spanId, flags] = match;
  return { traceId, spanId, sampled: state.sampler(traceId, (Number.parseInt(flags, 16) & 1) === 1) };
}

/**
 * For a traceparent of another organisation: where PARLEY_TRACE_BOUNDARY says `link`, a new trace and a link to theirs, else
 * theirs continued. Both are options of a span.
 */
export function foreignTrace(traceparent: string | undefined): {
  parent: TraceContext;
  links: readonly TraceContext[];
} {
  const theirs = continueTrace(traceparent);
  if (state.boundary === "continue" || theirs.isNew) return { parent: theirs, links: [] };
  return { parent: newTrace(), links: [theirs] };
}

export const traceparentOf = (trace: TraceContext) =>
  `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? "01" : "00"}`;

/** Runs `work` so that logs, spans and outgoing calls carry this context. */
export const withTrace = <T>(trace: TraceContext, work: () => T): T => store.run(trace, work);

/** Runs `work` outside any trace: for what goes on longer than the request that happened to begin it, e.g. a stream that many share. */
export const withoutTrace = <T>(work: () => T): T => store.run(undefined, work);

export const currentTrace = (): TraceContext | undefined => store.getStore();
