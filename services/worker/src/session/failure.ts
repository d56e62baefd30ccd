import { SessionError } from "@parley/protocol";
import { Code, ParleyError, fromServiceError } from "@parley/proto";

const CODES: Record<SessionError["failure"], Code> = {
  PEER_MESSAGE: Code.INVALID_ARGUMENT,
  TRANSCRIPT: Code.ABORTED,
  CLOSED: Code.UNAVAILABLE,
  STOPPED: Code.ABORTED,
  STATE: Code.INTERNAL,
  INVALID: Code.INTERNAL,
};

/** Any failure of a session as the error that travels. */
export function sessionFailure(error: unknown): ParleyError {
  if (error instanceof ParleyError) return error;
  if (error instanceof SessionError) {
    for (let at: unknown = error.cause; at instanceof Error; at = at.cause) if (at instanceof ParleyError) return at;
    return new ParleyError(
      CODES[error.failure],
      `SESSION_${error.failure}`,
      error.message,
      "Retried with a new batch.",
      {},
      { cause: error },
    );
  }
  if (error instanceof RangeError)
    return new ParleyError(
      Code.INVALID_ARGUMENT,
      "SESSION_PEER_MESSAGE",
      error.message,
      "The session has ended; others go on.",
      {},
      { cause: error },
    );
  return fromServiceError(error);
}

const RETRYABLE = new Set<Code>([
  Code.UNAVAILABLE,
  Code.ABORTED,
  Code.DEADLINE_EXCEEDED,
  Code.CANCELLED,
  Code.INTERNAL,
  Code.UNKNOWN,
]);

/** Refusals that a new batch, or a moment, cures: the dealer gave the part before or forgot it, no place for a session, a peer's damaged message. */
const RETRYABLE_REASONS = new Set([
  "PART_REFUSED",
  "MASK_NOT_FOUND",
  "MAX_PREPARED",
  "TOO_MANY_SESSIONS",
  "TOO_MANY_BATCHES",
  "SESSION_RATE",
  "SESSION_PEER_MESSAGE",
]);
/** Failures that every attempt would meet again. */
const FINAL_REASONS = new Set(["SESSION_INVALID", "SESSION_STATE"]);

/** Whether another attempt, with a new batch, may succeed. */
export const isRetryable = (error: ParleyError): boolean =>
  (RETRYABLE.has(error.code) && !FINAL_REASONS.has(error.reason)) ||
  error.code === Code.ALREADY_EXISTS ||
  RETRYABLE_REASONS.has(error.reason);
