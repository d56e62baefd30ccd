import { SPANS, type SpanAttributes, type SpanName } from "./names.js";
import { allowed } from "./allow-list.js";
import { state, type AttributeValues } from "./state.js";
import { currentTrace, newSpanId, newTrace, withTrace, type TraceContext } from "./trace.js";

export interface SpanOptions {
  /** Default: the trace under way, or a new one. */
  readonly parent?: TraceContext;
  /** Work of before that this span goes back to. */
  readonly links?: readonly TraceContext[];
  /** Milliseconds since 1970 with fractions, see {@link timeNow}; default now. */
  readonly start?: number;
  /** What is shown instead of the name: the method of a call, the name of a statement. */
  readonly title?: string;
  /** The span's own ids, where they were given away before it is recorded. */
  readonly context?: TraceContext;
}

/** A span under way. Where it is not recorded, everything does nothing. */
export interface Span<N extends SpanName = SpanName> {
  /** For traceparents, links and children. */
  readonly context: TraceContext;
  readonly isRecording: boolean;
  set(attributes: SpanAttributes<N>): void;
  link(to: TraceContext): void;
  /** Marks it as failed; `reason` is the reason of a ParleyError or a status, never a message. */
  fail(reason: string): void;
  /** @param end milliseconds since 1970; default now. The first call counts */
  end(end?: number): void;
}

/** Milliseconds since 1970, with fractions, monotonic within the process. */
export const timeNow = (): number => performance.timeOrigin + performance.now();

/** A time of `performance.now()` as one that spans take. */
export const timeOf = (performanceNow: number): number => performance.timeOrigin + performanceNow;

/** True while spans are recorded: guards what only telemetry needs. */
export const isTracing = (): boolean => state.spans !== undefined;

class RecordedSpan implements Span {
  readonly isRecording = true;
  private attributes: AttributeValues;
  private links: readonly TraceContext[];
  private failed = false;
  private isOver = false;

  constructor(
    private readonly name: SpanName,
    attributes: AttributeValues,
    readonly context: TraceContext,
    private readonly parentSpanId: string | undefined,
    private readonly start: number,
    private readonly title: string,
    links: readonly TraceContext[],
  ) {
    this.attributes = allowed(name, SPANS[name].attributes, attributes);
    this.links = links;
  }

  set(attributes: AttributeValues) {
    this.attributes = { ...this.attributes, ...allowed(this.name, SPANS[this.name].attributes, attributes) };
  }

  link(to: TraceContext) {
    this.links = [...this.links, to];
  }

  fail(reason: string) {
    this.failed = true;
    this.set({ "error.type": knownReason(reason) });
  }

  end(end = timeNow()) {
    if (this.isOver) return;
    this.isOver = true;
    const { context, parentSpanId, start, attributes, links, failed } = this;
    const { kind } = SPANS[this.name];
    state.spans?.({ name: this.title, kind, context, parentSpanId, start, end, attributes, links, failed });
  }
}

const nothing = () => {};
const unrecorded = (context: TraceContext): Span => ({
  context,
  isRecording: false,
  set: nothing,
  link: nothing,
  fail: nothing,
  end: nothing,
});
/** Of the spans that are begun while traces are off and no trace is under way: one for all. */
const OFF = unrecorded({ traceId: "0".repeat(32), spanId: "0".repeat(16), sampled: false });

/** Begins a span; the caller ends it. It does not become the trace under way by itself: see {@link withSpan}. */
export function startSpan<N extends SpanName>(
  name: N,
  attributes: SpanAttributes<N>,
  options: SpanOptions = {},
): Span<N> {
  const given = options.parent ?? currentTrace();
  if (!state.spans) return given ? unrecorded(given) : OFF;
  const parent = given ?? newTrace();
  if (!parent.sampled) return unrecorded(parent);
  const { traceId } = parent;
  const context = options.context ?? { traceId, spanId: newSpanId(), sampled: true };
  const parentSpanId = parent.isNew || parent.spanId === context.spanId ? undefined : parent.spanId;
  const { title = name, links = [], start = timeNow() } = options;
  return new RecordedSpan(name, attributes, context, parentSpanId, start, title, links);
}

/** A span that is over, with times that were measured elsewhere (milliseconds since 1970). Returns its context, for children. */
export function recordSpan<N extends SpanName>(
  name: N,
  attributes: SpanAttributes<N>,
  options: SpanOptions & { readonly start: number; readonly end?: number; readonly failed?: string },
): TraceContext {
  const span = startSpan(name, attributes, options);
  if (options.failed !== undefined) span.fail(options.failed);
  span.end(options.end);
  return span.context;
}

/** Runs `work` in a span of its own, which ends with it, and fails where it throws. Off: nothing but a call of `work`. */
export function withSpan<N extends SpanName, T>(
  name: N,
  attributes: SpanAttributes<N>,
  work: (span: Span<N>) => T,
  options?: SpanOptions,
): T {
  const span = startSpan(name, attributes, options);
  const run = () => work(span);
  if (!span.isRecording) return options?.parent ? withTrace(options.parent, run) : run();
  let result: T;
  try {
    result = withTrace(span.context, run);
  } catch (error) {
    span.fail(reasonOf(error));
    span.end();
    throw error;
  }
  if (!(result instanceof Promise)) {
    span.end();
    return result;
  }
  return result.then(
    (value: unknown) => (span.end(), value),
    (error: unknown) => {
      span.fail(reasonOf(error));
      span.end();
      throw error;
    },
  ) as T;
}

/** A reason as it is, or `other`: what a partner names as the reason of a failure may be any text. */
export const knownReason = (reason: string): string => (/^[A-Za-z][A-Za-z0-9_]{0,62}$/.test(reason) ? reason : "other");

/** Reason of a Parley error, else the error's name: never its message. */
export function reasonOf(error: unknown): string {
  const reason = (error as { reason?: unknown } | undefined)?.reason;
  if (typeof reason === "string" && reason !== "") return knownReason(reason);
  return error instanceof Error ? error.name : "unknown";
}
