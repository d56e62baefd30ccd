import { afterEach, describe, expect, it } from "vitest";
import { state } from "./state.js";
import {
  continueTrace,
  currentTrace,
  foreignTrace,
  newTrace,
  traceparentOf,
  withTrace,
  withoutTrace,
} from "./trace.js";

const VALID = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const { sampler } = state;
afterEach(() => {
  state.boundary = "continue";
  state.sampler = sampler;
});

describe("trace context", () => {
  it("continues a valid traceparent as it is, and starts anew for anything else", () => {
    const next = continueTrace(VALID);
    expect(traceparentOf(next)).toBe(VALID);
    expect(continueTrace(VALID.replace(/01$/, "00")).sampled).toBe(false);
    for (const bad of ["", "00-x-y-01", `00-${"0".repeat(32)}-b7ad6b7169203331-01`, `${VALID}-extra`])
      expect(continueTrace(bad)).toMatchObject({ isNew: true, sampled: true });
    expect(continueTrace("").traceId).not.toBe(continueTrace("").traceId);
  });

  it("asks the sampler, with what the parent decided", () => {
    const asked: unknown[] = [];
    state.sampler = (_, parent) => (asked.push(parent), false);
    expect([continueTrace(VALID).sampled, newTrace().sampled, asked]).toEqual([false, false, [true, undefined]]);
  });

  it("continues a trace of another organisation, or begins a new one with a link", () => {
    expect(foreignTrace(VALID)).toEqual({ parent: continueTrace(VALID), links: [] });
    state.boundary = "link";
    const { parent, links } = foreignTrace(VALID);
    expect(parent).toMatchObject({ isNew: true });
    expect(parent.traceId).not.toBe(continueTrace(VALID).traceId);
    expect(links).toEqual([continueTrace(VALID)]);
    expect(foreignTrace("").links).toEqual([]);
  });

  it("is that of the work under way, until it is left", () => {
    const trace = newTrace();
    withTrace(trace, () => {
      expect(currentTrace()).toBe(trace);
      withoutTrace(() => expect(currentTrace()).toBeUndefined());
    });
    expect(currentTrace()).toBeUndefined();
  });
});
