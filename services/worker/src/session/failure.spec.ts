import { SessionError } from "@parley/protocol";
import { Code, ParleyError } from "@parley/proto";
import { describe, expect, it } from "vitest";
import { isRetryable, sessionFailure } from "./failure.js";

describe("a failure of a session", () => {
  it.each([
    [Code.UNAVAILABLE, "PEER_GONE", true],
    [Code.DEADLINE_EXCEEDED, "PEER_SILENT", true],
    [Code.ABORTED, "BATCH_DIFFERS", true],
    [Code.ALREADY_EXISTS, "BATCH_USED", true],
    [Code.FAILED_PRECONDITION, "PART_REFUSED", true],
    [Code.RESOURCE_EXHAUSTED, "TOO_MANY_SESSIONS", true],
    [Code.INVALID_ARGUMENT, "SESSION_PEER_MESSAGE", true],
    [Code.INTERNAL, "SESSION_INVALID", false],
    [Code.INTERNAL, "SESSION_STATE", false],
    [Code.FAILED_PRECONDITION, "AGREEMENT_ENDED", false],
    [Code.FAILED_PRECONDITION, "HELLO_DIFFERS", false],
    [Code.RESOURCE_EXHAUSTED, "QUOTA", false],
    [Code.INVALID_ARGUMENT, "INPUT_SIZE", false],
    [Code.PERMISSION_DENIED, "PEER_REFUSED", false],
  ])("with code %i and reason %s: another attempt may succeed: %s", (code, reason, retryable) => {
    expect(isRetryable(new ParleyError(code, reason, "test"))).toBe(retryable);
  });

  it("travels with the status that fits, and the cause that explains it", () => {
    const cause = new ParleyError(Code.FAILED_PRECONDITION, "AGREEMENT_ENDED", "test");
    expect(sessionFailure(new SessionError("STOPPED", "stopped", { cause }))).toBe(cause);
    expect(sessionFailure(new SessionError("TRANSCRIPT", "differs"))).toMatchObject({
      code: Code.ABORTED,
      reason: "SESSION_TRANSCRIPT",
    });
    expect(sessionFailure(new RangeError("broken"))).toMatchObject({ code: Code.INVALID_ARGUMENT });
  });
});
