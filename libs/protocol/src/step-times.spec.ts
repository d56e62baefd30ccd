import { describe, expect, it, vi } from "vitest";

import type { Plan } from "@parley/plan";
import { StepTimes } from "./step-times.js";

const plan = { steps: [{ op: "linear" }, { op: "relu" }] } as unknown as Plan;

describe("StepTimes", () => {
  const run = (events: readonly [number, (times: StepTimes) => void][]) => {
    const clock = vi.spyOn(performance, "now");
    const times = new StepTimes(plan);
    for (const [now, event] of events) {
      clock.mockReturnValue(now);
      event(times);
    }
    const steps = times.steps();
    clock.mockRestore();
    return steps;
  };

  it("tells waiting from computing, step by step", () => {
    const steps = run([
      [100, (t) => t.entered(0)],
      [101, (t) => t.sent(0, 64)],
      [102, (t) => t.waiting()],
      [107, (t) => t.received(1, 32)],
      [107, (t) => t.resumed()],
      [108, (t) => t.entered(1)],
      [109, (t) => t.entered(2)],
      [112, (t) => t.entered(-1)],
    ]);
    const none = { sentMessages: 0, sentBytes: 0, receivedMessages: 0, receivedBytes: 0 };
    expect(steps).toEqual([
      { ...none, step: 0, start: 100, lasted: 8, waited: 5, sentMessages: 1, sentBytes: 64 },
      { ...none, step: 1, start: 108, lasted: 1, waited: 0, receivedMessages: 1, receivedBytes: 32 },
      { ...none, step: 2, start: 109, lasted: 3, waited: 0 },
    ]);
  });

  it("counts the step that a failure broke off until now, and none that was not entered", () => {
    expect(
      run([
        [5, (t) => t.entered(0)],
        [6, (t) => t.waiting()],
        [9, () => undefined],
      ]),
    ).toMatchObject([{ step: 0, start: 5, lasted: 4 }]);
  });
});
