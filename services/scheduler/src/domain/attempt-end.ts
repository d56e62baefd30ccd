import type { scheduler } from "@parley/proto";
import type { AttemptEnd } from "../store/attempt-store.js";

const MAX_TEXT = 500;
const MAX_COUNT = 2 ** 31 - 1;

/** What the scheduler keeps of a report: counts, and a reason in bounded texts. */
export function attemptEnd(report: scheduler.AttemptReport): AttemptEnd {
  const { succeeded, retryable, recordsRevealed, onlineMicros, error } = report;
  return {
    succeeded,
    retryable,
    recordsRevealed: Math.min(recordsRevealed, MAX_COUNT),
    onlineMicros: Number(onlineMicros),
    ...(error &&
      !succeeded && {
        error: {
          code: error.code,
          reason: error.reason.slice(0, 100),
          message: error.message.slice(0, MAX_TEXT),
          hint: error.hint.slice(0, MAX_TEXT),
        },
      }),
  };
}
