import { countFromStart } from "./from-start.js";
import type { Logger } from "./logger.js";
import { observeRuntime } from "./runtime.js";
import { readTelemetrySettings } from "./settings.js";
import { state } from "./state.js";

/** How often trouble with the export is told at most. */
const TOLD_EVERY_MS = 60_000;

export interface Telemetry {
  /** Port of the Prometheus endpoint, where there is one. */
  readonly metricsPort?: number;
  /** Sends what is left, and ends. */
  close(): Promise<void>;
}

/**
 * Switches on what the environment asks for: spans, metrics and logs through OTLP, Prometheus' text. Without it nothing is
 * loaded, and nothing is measured.
 * @param service e.g. `scheduler`
 * @throws Error that names the variables that are wrong, or the address that is taken
 */
export async function startTelemetry(service: string, logger: Logger): Promise<Telemetry> {
  const settings = readTelemetrySettings(service);
  const { otlp, metricsListen } = settings;
  state.boundary = settings.boundary;
  const ends: (() => Promise<void> | void)[] = [];
  if (otlp.metrics || metricsListen) {
    state.metrics = true;
    countFromStart(service);
    ends.push(observeRuntime(), () => void (state.metrics = false));
  }
  if (otlp.traces) state.sampler = settings.sampler;
  if (Object.keys(otlp).length > 0) {
    const { startOtlp } = await import("./otlp.js");
    let told = -Infinity;
    const onTrouble = (what: string) => {
      if (performance.now() - told < TOLD_EVERY_MS) return;
      told = performance.now();
      logger.warn({ why: String(what).slice(0, 200) }, "telemetry is not exported");
    };
    ends.unshift(startOtlp(settings, onTrouble));
  }
  let metricsPort: number | undefined;
  if (metricsListen) {
    const { servePrometheus } = await import("./prometheus.js");
    const endpoint = await servePrometheus(metricsListen, settings.resource);
    metricsPort = endpoint.port;
    logger.info({ port: metricsPort }, "metrics are served");
    ends.unshift(() => endpoint.close());
  }
  return {
    metricsPort,
    close: async () => {
      for (const end of ends) await end();
    },
  };
}
