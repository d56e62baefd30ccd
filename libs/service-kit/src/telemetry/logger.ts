import { pino, type DestinationStream, type Logger, type LoggerOptions } from "pino";
import { state } from "./state.js";
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

/** One JSON line per event on standard output: time, level, service, msg, trace and span id, fields. Messages are fixed texts; what varies is a field. */
export function createLogger(service: string, level = "info", destination?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describeError },
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: SECRET.flatMap((name) => [name, `*.${name}`]), remove: true },
    mixin: () => {
      const trace = currentTrace();
      return trace ? { traceId: trace.traceId, spanId: trace.spanId } : {};
    },
  };
  return pino(options, destination ?? standardOutput());
}

/** Lines are written at once, and given up where nobody reads standard output any more: a flush at exit would wait for ever. */
function standardOutput(): DestinationStream {
  let tries = 0;
  const output = pino.destination({ dest: 1, sync: true, retryEAGAIN: () => ++tries % 50 !== 0 });
  return {
    write(line) {
      output.write(line);
      state.logs?.(line); // what is exported is what was written: the same redaction
    },
  };
}

/** An error without what it may quote: a failed query's message lists its parameters, which may be keys. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const query = error.message.startsWith("Failed query");
  const frames = error.stack
    ?.split("\n")
    .filter((line) => line.startsWith("    at "))
    .slice(0, 8);
  return {
    type: error.name,
    message: query ? "a query failed" : error.message,
    code: (error as { code?: unknown }).code,
    frames,
    cause: error.cause instanceof Error ? describeError(error.cause) : undefined,
  };
}
