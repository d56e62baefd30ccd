import { schedule } from "@parley/plan";
import type { Plan, Schedule } from "@parley/plan";

/** Per message of a schedule, the step to which it belongs: that of its last share, since it leaves when that is written. */
export const stepsOfMessages = ({ openings, messages }: Schedule): number[] =>
  messages.map(({ parts }) => openings[parts[parts.length - 1].opening].step);

/** Messages and bytes that a party sends in each step of a run, as the plan declares them; the output's step is the last. */
export function declaredSteps(plan: Plan, records: number, from: 0 | 1): { messages: number; bytes: number }[] {
  const made = schedule(plan, records);
  const steps = stepsOfMessages(made);
  const sums = Array.from({ length: plan.steps.length + 1 }, () => ({ messages: 0, bytes: 0 }));
  made.messages.forEach((message, index) => {
    if (message.phase !== "online" || message.from !== from) return;
    sums[steps[index]].messages++;
    sums[steps[index]].bytes += message.bytes;
  });
  return sums;
}

/** Name of a step for people: its kind and number. What the model's author called it is not told. */
export const stepName = (plan: Plan, step: number): string =>
  step < plan.steps.length ? `${stepKind(plan, step)} ${step}` : stepKind(plan, step);

/** Kind of a step; "reveal" for the output's. */
export const stepKind = (plan: Plan, step: number): string => plan.steps[step]?.op ?? "reveal";
