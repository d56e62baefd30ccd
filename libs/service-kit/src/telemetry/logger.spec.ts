import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { createLogger } from "./logger.js";
import { continueTrace, withTrace } from "./trace.js";

function capture(work: (logger: ReturnType<typeof createLogger>) => void): string {
  let text = "";
  const stream = new Writable({ write: (chunk: Buffer, _, done) => ((text += chunk.toString()), done()) });
  work(createLogger("test", "debug", stream));
  return text;
}

describe("logger", () => {
  it("writes one JSON line per event, with service and trace id", () => {
    const trace = continueTrace(undefined);
    const line = capture((logger) => withTrace(trace, () => logger.info({ jobId: "job_1" }, "a run failed")));
    expect(JSON.parse(line)).toMatchObject({
      level: "info",
      service: "test",
      msg: "a run failed",
      jobId: "job_1",
      traceId: trace.traceId,
      spanId: trace.spanId,
    });
    expect(line.trim().split("\n")).toHaveLength(1);
  });

  it("removes fields that may hold secrets, on two levels", () => {
    const text = capture((logger) =>
      logger.info({ token: "SECRET", order: { ticket: "SECRET", input: "SECRET", runs: 2 }, apiKey: "SECRET" }, "x"),
    );
    expect(text).not.toContain("SECRET");
    expect(text).toContain('"runs":2');
  });

  it("does not write the parameters that a failed query quotes", () => {
    const error = new Error("Failed query: insert\nparams: SECRET", { cause: new Error("duplicate key") });
    const text = capture((logger) => logger.error({ err: error }, "x"));
    expect(text).not.toContain("SECRET");
    expect(text).toContain("duplicate key");
  });
});
