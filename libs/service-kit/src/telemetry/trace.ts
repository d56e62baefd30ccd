import { AsyncLocalStorage } from "node:async_hooks";
import { randomFillSync } from "node:crypto";

/** W3C trace context of the work under way. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const PATTERN = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;
const store = new AsyncLocalStorage<TraceContext>();

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

const newSpanId = () => newId(8);

/** The context of a traceparent with a new span of our own under it; a new trace where there is none or it is malformed. */
export function continueTrace(traceparent: string | undefined): TraceContext {
  const match = traceparent ? PATTERN.exec(traceparent) : null;
  if (!match) return { traceId: newId(16), spanId: newSpanId(), sampled: true };
  return { traceId: match[1], spanId: newSpanId(), sampled: (Number.parseInt(match[3], 16) & 1) === 1 };
}

export const traceparentOf = (trace: TraceContext) =>
  `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? "01" : "00"}`;

/** Runs `work` so that logs and outgoing calls carry this context. */
export const withTrace = <T>(trace: TraceContext, work: () => T): T => store.run(trace, work);

export const currentTrace = (): TraceContext | undefined => store.getStore();
