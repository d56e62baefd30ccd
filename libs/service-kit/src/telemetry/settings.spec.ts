import { describe, expect, it } from "vitest";
import { SETTING_NAMES, readTelemetrySettings } from "./settings.js";
import { newTrace } from "./trace.js";
import { TELEMETRY_VARIABLES } from "./variables.js";

const sampler = (name: string, arg = "1") =>
  readTelemetrySettings("x", { OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: arg }).sampler;
const id = (last: string) => `${"0".repeat(18)}${last}`;

describe("telemetry settings", () => {
  it("sample as the standard variables say", () => {
    const low = id("00000000000001");
    const high = id("ffffffffffffff");
    expect(sampler("parentbased_always_on")(high, false)).toBe(false);
    expect(sampler("parentbased_always_off")(low, undefined)).toBe(false);
    expect(sampler("always_on")(high, false)).toBe(true);
    expect([low, high].map((trace) => sampler("traceidratio", "0.5")(trace, true))).toEqual([true, false]);
    expect(sampler("parentbased_traceidratio", "0.5")(high, true)).toBe(true);
    const ids = Array.from({ length: 2_000 }, () => newTrace().traceId);
    const share = ids.filter((trace) => sampler("traceidratio", "0.25")(trace, undefined)).length / ids.length;
    expect(share).toBeGreaterThan(0.15);
    expect(share).toBeLessThan(0.35);
  });

  it("are all documented", () => {
    expect(SETTING_NAMES.filter((name) => !(name in TELEMETRY_VARIABLES))).toEqual([]);
  });

  it("name the service, export by signal, and take empty variables as unset", () => {
    const settings = readTelemetrySettings("dealer", {
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://collector:4317",
      OTEL_SERVICE_NAME: "",
      PARLEY_TRUST_DOMAIN: "dealer",
      PARLEY_METRICS_LISTEN: "",
    });
    expect(settings.otlp).toEqual({ traces: "grpc" });
    expect(settings.resource["service.name"]).toBe("parley-dealer");
    expect(settings.resource["service.namespace"]).toBe("dealer");
    expect(settings.metricsListen).toBeUndefined();
  });
});
