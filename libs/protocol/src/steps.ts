import { schedule } from "@parley/plan";
import type { Plan } from "@parley/plan";

/** Messages and bytes between the two parties. */
export interface Traffic {
  readonly messages: number;
  readonly bytes: number;
}

/**
 * Messages and bytes that a party sends in each step of a run, the output's last: of the messages of the schedule of which
 * `passed` have passed, all without it. One belongs to the step of its last share, since it leaves when that is written.
 */
export function trafficOfSteps(plan: Plan, records: number, from: 0 | 1, passed = Infinity): Traffic[] {
  const { openings, messages } = schedule(plan, records);
  const sums = Array.from({ length: plan.steps.length + 1 }, () => ({ messages: 0, bytes: 0 }));
  for (const { phase, from: sender, bytes, parts, step: number } of messages) {
    if (phase !== "online" || sender !== from || number >= passed) continue;
    const sum = sums[openings[parts[parts.length - 1].opening].step];
    sum.messages++;
    sum.bytes += bytes;
  }
  return sums;
}

/** Name of a step for people: its kind and number. What the model's author called it is not told. */
export const stepName = (plan: Plan, step: number): string =>
  step < plan.steps.length ? `${stepKind(plan, step)} ${step}` : stepKind(plan, step);

/** Kind of a step; "reveal" for the output's. */
export const stepKind = (plan: Plan, step: number): string => plan.steps[step]?.op ?? "reveal";
