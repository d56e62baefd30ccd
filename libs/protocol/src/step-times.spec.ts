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
      [102, (t) => t.waiting()],
      [107, (t) => t.resumed()],
      [108, (t) => t.entered(1)],
      [109, (t) => t.entered(2)],
      [112, (t) => t.entered(-1)],
    ]);
    expect(steps).toEqual([
      { step: 0, start: 100, lasted: 8, waited: 5 },
      { step: 1, start: 108, lasted: 1, waited: 0 },
      { step: 2, start: 109, lasted: 3, waited: 0 },
    ]);
  });

  it("takes a message that came at once for no wait", () => {
    expect(
      run([
        [1, (t) => t.entered(0)],
        [2, (t) => t.resumed()],
        [3, (t) => t.entered(-1)],
      ]),
    ).toMatchObject([{ waited: 0 }]);
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
