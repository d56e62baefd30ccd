import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { recordSpan, startSpan, timeNow, withSpan } from "./span.js";
import { state, type SpanRecord } from "./state.js";
import { continueTrace, currentTrace, newTrace, withTrace } from "./trace.js";

const VALID = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
let spans: SpanRecord[];
beforeEach(() => {
  spans = [];
  state.spans = (span) => spans.push(span);
});
afterEach(() => {
  state.spans = undefined;
  state.strict = true;
});

describe("spans", () => {
  it("are children of the trace under way, and parents of what runs in them", async () => {
    await withTrace(continueTrace(VALID), () =>
      withSpan("parley.attempt", { "parley.job.id": "job_1" }, async (span) => {
        await Promise.resolve();
        expect(currentTrace()).toBe(span.context);
        withSpan("parley.bind", {}, () => {});
        span.set({ outcome: "succeeded" });
      }),
    );
    const [bind, attempt] = spans;
    expect(attempt).toMatchObject({
      name: "parley.attempt",
      parentSpanId: "b7ad6b7169203331",
      attributes: { "parley.job.id": "job_1", outcome: "succeeded" },
      failed: false,
    });
    expect(attempt.context.traceId).toBe("0af7651916cd43dd8448eb211c80319c");
    expect(bind).toMatchObject({ parentSpanId: attempt.context.spanId, context: { traceId: attempt.context.traceId } });
    expect(attempt.end).toBeGreaterThanOrEqual(attempt.start);
  });

  it("fail with the reason of what was thrown, never with its message", async () => {
    const refused = Object.assign(new Error("value 3.14"), { reason: "QUOTA_USED_UP" });
    expect(() =>
      withSpan("parley.bind", {}, () => {
        throw refused;
      }),
    ).toThrow();
    await expect(withSpan("parley.bind", {}, () => Promise.reject(new TypeError("3.14")))).rejects.toThrow();
    expect(spans.map(({ failed, attributes }) => [failed, attributes])).toEqual([
      [true, { "error.type": "QUOTA_USED_UP" }],
      [true, { "error.type": "TypeError" }],
    ]);
  });

  it("do not tell a reason that is a text", () => {
    withSpan("parley.bind", {}, (span) => span.fail("value 3.14 is too large"));
    expect(spans[0].attributes).toEqual({ "error.type": "other" });
  });

  it("take times of elsewhere, links, and ids that were given away", () => {
    const context = continueTrace(VALID);
    const older = newTrace();
    const end = timeNow();
    recordSpan("parley.job", {}, { start: end - 5_000, end, context, parent: newTrace(), links: [older] });
    expect(spans).toMatchObject([{ context, parentSpanId: undefined, start: end - 5_000, end, links: [older] }]);
  });

  it("are roots where nobody records the parent, and end once", () => {
    const span = startSpan("parley.queue", {});
    span.end(span.isRecording ? timeNow() : 0);
    span.end();
    expect(spans).toHaveLength(1);
    expect(spans[0].parentSpanId).toBeUndefined();
  });

  it("are not recorded where the trace is not sampled, and pass it on", () => {
    const parent = continueTrace(VALID.replace(/01$/, "00"));
    withSpan("parley.run", {}, ({ context }) => expect(context).toBe(parent), { parent });
    expect(spans).toEqual([]);
  });

  it("drop what is not on the allow list, and throw in tests", () => {
    const wrong = { "parley.job.id": "job_1", input: "3.14" } as object;
    expect(() => startSpan("parley.job", wrong)).toThrow("input");
    expect(() => startSpan("parley.job", { "parley.job.id": "x".repeat(1_000) })).toThrow("parley.job.id");
    state.strict = false;
    startSpan("parley.job", wrong).end();
    expect(spans[0].attributes).toEqual({ "parley.job.id": "job_1" });
  });

  it("do nothing while traces are off", () => {
    state.spans = undefined;
    const parent = continueTrace(VALID);
    withSpan(
      "parley.run",
      {},
      (span) => expect([span.isRecording, span.context, currentTrace()]).toEqual([false, parent, parent]),
      { parent },
    );
    expect(withSpan("parley.run", {}, () => currentTrace())).toBeUndefined();
  });
});
