import { ROOT_CONTEXT, context, trace, type Context, type ContextManager } from "@opentelemetry/api";
import { AsyncLocalStorage } from "node:async_hooks";
import { afterAll, describe, expect, it } from "vitest";
import { callersTraceparent } from "./trace.js";

const storage = new AsyncLocalStorage<Context>();
/** As a program's own OpenTelemetry registers one. */
const manager: ContextManager = {
  active: () => storage.getStore() ?? ROOT_CONTEXT,
  with: (active, work, self, ...args) => storage.run(active, () => work.apply(self, args) as never),
  bind: (_, target) => target,
  enable: () => manager,
  disable: () => manager,
};

describe("callersTraceparent", () => {
  afterAll(() => context.disable());

  it("is that of the span under way in the program's OpenTelemetry, and absent without one", () => {
    expect(callersTraceparent()).toBeUndefined();
    context.setGlobalContextManager(manager);
    expect(callersTraceparent()).toBeUndefined();
    const spanContext = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 };
    const seen = context.with(trace.setSpanContext(ROOT_CONTEXT, spanContext), callersTraceparent);
    expect(seen).toBe("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    const invalid = { ...spanContext, traceId: "0".repeat(32) };
    expect(context.with(trace.setSpanContext(ROOT_CONTEXT, invalid), callersTraceparent)).toBeUndefined();
  });
});
