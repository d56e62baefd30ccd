import { Code, ParleyError } from "@parley/proto";

/** Compares the fingerprints of the two parties' parts. @throws ParleyError ABORTED where they are not of one batch */
export function requireSameBatch(own: Buffer, theirs: Buffer): void {
  if (own.equals(theirs)) return;
  throw new ParleyError(
    Code.ABORTED,
    "BATCH_DIFFERS",
    "the two parts are not of one batch",
    "Retried with a new batch.",
  );
}
