import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { startOtlpCollector, type OtlpCollector } from "../testing/otlp-collector.js";
import { createLogger } from "./logger.js";
import { count, forgetMetrics, measure } from "./metrics.js";
import { withSpan } from "./span.js";
import { startTelemetry } from "./start.js";
import { state } from "./state.js";
import { currentTrace, newTrace } from "./trace.js";

let collector: OtlpCollector;
const kept: string[] = [];
const logger = createLogger("scheduler", "info", { write: (line) => (kept.push(line), state.logs?.(line)) });
beforeEach(async () => {
  collector = await startOtlpCollector();
});
afterEach(() => {
  vi.unstubAllEnvs();
  forgetMetrics();
  collector.close();
});

function start(env: Record<string, string>) {
  vi.unstubAllEnvs();
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  return startTelemetry("scheduler", logger);
}

describe.each(["grpc", "http/protobuf"])("telemetry through OTLP over %s", (protocol) => {
  it("exports spans, metrics with exemplars, and the log", async () => {
    const telemetry = await start({
      OTEL_EXPORTER_OTLP_ENDPOINT: protocol === "grpc" ? collector.grpcEndpoint : collector.httpEndpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=a%20b,x",
    });
    const older = newTrace();
    withSpan("parley.attempt", { "parley.job.id": "job_1", "parley.runs": 2 }, (span) => {
      span.link(older);
      withSpan("parley.bind", {}, (bind) => bind.fail("TICKET_INVALID"));
      measure("parley.job.duration", 0.3, { outcome: "succeeded" });
      logger.warn({ job: "job_1", runs: 2, token: "SECRET" }, "something happened");
    });
    count("parley.job.ended", { outcome: "succeeded" });
    await telemetry.close();

    const attempt = collector.spans.find(({ name }) => name === "parley.attempt")!;
    const bind = collector.spans.find(({ name }) => name === "parley.bind")!;
    expect(attempt).toMatchObject({
      service: "parley-scheduler",
      parentSpanId: "",
      attributes: { "parley.job.id": "job_1", "parley.runs": 2 },
      links: [{ traceId: older.traceId, spanId: older.spanId }],
      failed: false,
    });
    expect(attempt.resource).toMatchObject({ "deployment.environment.name": "a b" });
    expect(Math.abs(attempt.start - Date.now())).toBeLessThan(60_000);
    expect(bind).toMatchObject({ traceId: attempt.traceId, parentSpanId: attempt.spanId, failed: true });

    const point = (metric: string) => collector.points.find((entry) => entry.metric === metric);
    expect(point("parley.job.ended")).toMatchObject({ value: 1, unit: "{job}", attributes: { outcome: "succeeded" } });
    expect(point("parley.job.duration")).toMatchObject({
      value: 1,
      exemplars: [{ value: 0.3, traceId: attempt.traceId, spanId: attempt.spanId }],
    });
    expect(point("process.memory.usage")?.value).toBeGreaterThan(1e6);

    expect(collector.logs).toMatchObject([
      {
        body: "something happened",
        severity: "warn",
        traceId: attempt.traceId,
        spanId: attempt.spanId,
        attributes: { job: "job_1", runs: 2 },
      },
    ]);
    expect(Buffer.concat(collector.raw.map(({ bytes }) => bytes)).includes("SECRET")).toBe(false);
  });
});

describe("telemetry", () => {
  it("is off without an endpoint: no spans, no new contexts, no listeners", async () => {
    const telemetry = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: "" });
    expect([state.spans, state.logs, state.metrics, telemetry.metricsPort]).toEqual([
      undefined,
      undefined,
      false,
      undefined,
    ]);
    expect(withSpan("parley.job", {}, () => currentTrace())).toBeUndefined();
    await telemetry.close();
  });

  it("is off where OTEL_SDK_DISABLED says so, also for single signals", async () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.grpcEndpoint };
    const disabled = await start({ ...endpoint, OTEL_SDK_DISABLED: "true" });
    expect(state.spans).toBeUndefined();
    await disabled.close();
    const some = await start({ ...endpoint, OTEL_TRACES_EXPORTER: "none" });
    expect([state.spans, state.metrics]).toEqual([undefined, true]);
    await some.close();
  });

  it("refuses wrong variables by name", async () => {
    await expect(start({ PARLEY_TRACE_BOUNDARY: "cut" })).rejects.toThrow("PARLEY_TRACE_BOUNDARY");
    await expect(start({ OTEL_EXPORTER_OTLP_PROTOCOL: "udp" })).rejects.toThrow("OTEL_EXPORTER_OTLP_PROTOCOL");
  });

  it("goes on where the collector is away, says so, and ends in time", async () => {
    kept.length = 0;
    const telemetry = await start({
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
      OTEL_EXPORTER_OTLP_TIMEOUT: "500",
    });
    for (let n = 0; n < 10; n++) withSpan("parley.bind", {}, () => {});
    await telemetry.close();
    expect(state.spans).toBeUndefined();
    expect(kept.filter((line) => line.includes("telemetry is not exported"))).toHaveLength(1);
  });

  it("serves Prometheus' text, and OpenMetrics with exemplars to whom asks for it", async () => {
    const telemetry = await start({ PARLEY_METRICS_LISTEN: "127.0.0.1:0" });
    state.spans = () => {};
    withSpan("parley.attempt", {}, () => measure("parley.job.duration", 0.3, { outcome: "succeeded" }));
    count("parley.attempt.ended", { outcome: "failed", reason: 'A"B' });
    state.spans = undefined;
    const get = async (path: string, accept = "") =>
      (await fetch(`http://127.0.0.1:${telemetry.metricsPort}${path}`, { headers: { accept } })).text();
    const plain = await get("/metrics");
    expect(plain).toContain("# TYPE parley_job_duration_seconds histogram\n");
    expect(plain).toContain('parley_job_duration_seconds_bucket{outcome="succeeded",le="0.25"} 0\n');
    expect(plain).toContain('parley_job_duration_seconds_bucket{outcome="succeeded",le="+Inf"} 1\n');
    expect(plain).toContain('parley_attempt_ended_total{outcome="failed",reason="A\\"B"} 1\n');
    expect(plain).toMatch(/^target_info\{.*service_name="parley-scheduler"\} 1$/m);
    expect(plain).toMatch(/^process_memory_usage_bytes \d+$/m);
    expect(plain).not.toContain("trace_id");
    const open = await get("/metrics", "application/openmetrics-text; version=1.0.0");
    expect(open).toMatch(
      /^parley_job_duration_seconds_bucket\{outcome="succeeded",le="0.5"\} 1 # \{trace_id="[0-9a-f]{32}",span_id="[0-9a-f]{16}"\} 0.3 [\d.]+$/m,
    );
    expect(open).toContain("# TYPE parley_attempt_ended counter\n");
    expect(open.endsWith("# EOF\n")).toBe(true);
    expect(await get("/")).toBe("");
    await telemetry.close();
  });
});
