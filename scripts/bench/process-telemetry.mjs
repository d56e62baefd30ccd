// Telemetry of the benchmark's processes, switched on by the environment as in services.
import { createLogger } from "../../libs/service-kit/dist/index.js";
import { startTelemetry } from "../../libs/service-kit/dist/telemetry/start.js";

export const telemetryOf = (service) => startTelemetry(service, createLogger(service, "error", process.stderr));
