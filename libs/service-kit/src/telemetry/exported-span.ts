import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { hrTime, spanContextOf } from "./otel-values.js";
import { SCOPE } from "./otlp-metrics.js";
import type { SpanRecord } from "./state.js";

const KINDS = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER, client: SpanKind.CLIENT };
const scope = { name: SCOPE };
const none: never[] = [];

/** A span that has ended, as OpenTelemetry's exporters read it: what they read is made when they do, not on the way of a job. */
export class ExportedSpan implements ReadableSpan {
  constructor(
    private readonly span: SpanRecord,
    readonly resource: Resource,
  ) {}

  get name() {
    return this.span.name;
  }
  get kind() {
    return KINDS[this.span.kind];
  }
  spanContext() {
    return spanContextOf(this.span.context);
  }
  get parentSpanContext() {
    const { parentSpanId, context } = this.span;
    return parentSpanId === undefined ? undefined : { ...spanContextOf(context), spanId: parentSpanId };
  }
  get startTime() {
    return hrTime(this.span.start);
  }
  get endTime() {
    return hrTime(this.span.end);
  }
  get duration() {
    return hrTime(Math.max(0, this.span.end - this.span.start));
  }
  get status() {
    return { code: this.span.failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET };
  }
  get attributes() {
    return this.span.attributes;
  }
  get links() {
    return this.span.links.map((link) => ({ context: spanContextOf(link) }));
  }
  get events() {
    return none;
  }
  get ended() {
    return true;
  }
  get instrumentationScope() {
    return scope;
  }
  get droppedAttributesCount() {
    return 0;
  }
  get droppedEventsCount() {
    return 0;
  }
  get droppedLinksCount() {
    return 0;
  }
}
