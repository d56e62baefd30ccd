import { pino, type Logger } from "pino";
import { currentTrace } from "./trace.js";

export type { Logger };

/** Fields that must never be logged; the whole value is removed wherever such a name occurs on the first two levels. */
const SECRET = [
  "token",
  "ticket",
  "secret",
  "apiKey",
  "authorization",
  "privateKey",
  "input",
  "output",
  "weights",
  "share",
  "chunk",
  "frame",
  "key",
  "jws",
];

/** One JSON line per event on standard output: time, level, service, msg, trace id, fields. Messages are fixed texts; what varies is a field. */
export function createLogger(service: string, level = "info"): Logger {
  return pino({
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: SECRET.flatMap((name) => [name, `*.${name}`]), remove: true },
    mixin: () => {
      const trace = currentTrace();
      return trace ? { traceId: trace.traceId } : {};
    },
  });
}
