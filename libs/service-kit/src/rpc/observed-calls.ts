import { Code, type CallObserver } from "@parley/proto";
import { isMetering, measure } from "../telemetry/metrics.js";
import { isTracing, reasonOf, startSpan, type Span } from "../telemetry/span.js";
import { currentTrace, traceparentOf, type TraceContext } from "../telemetry/trace.js";

/** "parley.area.v1.Service/Method", also the name of the call's spans. */
const methodOf = (path: string) => path.slice(1);
const seconds = (since: number) => (performance.now() - since) / 1_000;

/** Span and duration of a call that this process makes; nothing while telemetry is off. */
export function observeClientCall(path: string, isStream: boolean): CallObserver | undefined {
  if (!isTracing() && !isMetering()) return undefined;
  const method = methodOf(path);
  const started = performance.now();
  const span = startSpan("rpc.client", { "rpc.system.name": "grpc", "rpc.method": method }, { title: method });
  // A stream outside any trace serves many requests: the other side must not take it for one.
  const trace = span.isRecording && !(isStream && !currentTrace()) ? span.context : currentTrace();
  return {
    metadata: trace ? { traceparent: traceparentOf(trace) } : {},
    ended(code) {
      const status = Code[code] ?? "UNKNOWN";
      measure("rpc.client.call.duration", seconds(started), statusOf(method, status), trace);
      span.set({ "rpc.response.status_code": status });
      // Who reads as much of a stream as he needs, or gives up, cancels it: that is no failure.
      if (code !== Code.OK && code !== Code.CANCELLED) span.fail(status);
      span.end();
    },
  };
}

const statusOf = (method: string, status: string) => ({ "rpc.method": method, "rpc.response.status_code": status });

/** Codes that are the server's own fault, by the semantic conventions. */
const OWN_FAULT: readonly Code[] = [
  Code.UNKNOWN,
  Code.DEADLINE_EXCEEDED,
  Code.UNIMPLEMENTED,
  Code.INTERNAL,
  Code.UNAVAILABLE,
  Code.DATA_LOSS,
];

export interface ObservedCall {
  /** The trace in which the handler runs: of the call's span, or the caller's. */
  readonly trace: TraceContext;
  ended(code: Code, peer: string | undefined, error?: unknown): void;
}

/** The same of a call that this process answers. */
export function observeServerCall(path: string, parent: TraceContext): ObservedCall {
  if (!isTracing() && !isMetering()) return { trace: parent, ended: () => {} };
  const method = methodOf(path);
  const started = performance.now();
  const attributes = { "rpc.system.name": "grpc", "rpc.method": method } as const;
  const span: Span<"rpc.server"> = startSpan("rpc.server", attributes, { parent, title: method });
  return {
    trace: span.context,
    ended(code, peer, error) {
      const status = Code[code] ?? "UNKNOWN";
      measure("rpc.server.call.duration", seconds(started), statusOf(method, status), span.context);
      span.set({ "rpc.response.status_code": status, ...(peer !== undefined && { peer }) });
      if (OWN_FAULT.includes(code)) span.fail(error === undefined ? status : reasonOf(error));
      span.end();
    },
  };
}
