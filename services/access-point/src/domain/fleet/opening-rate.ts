import { Code, ParleyError } from "@parley/proto";
import type { HeldAgreement } from "../../store/agreements.js";

const WINDOW_MS = 60_000;
/** Ten a second for each prepared session that the agreement allows. */
const PER_PREPARED = 600;

/**
 * Sessions opened, or batches taken, per agreement and minute. A peer can only waste them, but each is a row here and at the
 * dealer; the bound is far above what honest use needs.
 */
export class OpeningRate {
  /** @param what is bounded, for the message */
  constructor(private readonly what: string) {}

  private readonly opened = new Map<string, { since: number; count: number }>();

  /** @throws ParleyError RESOURCE_EXHAUSTED */
  require(
    { digest, id, maxPrepared }: Pick<HeldAgreement, "digest" | "id" | "maxPrepared">,
    now = performance.now(),
  ): void {
    const known = this.opened.get(digest);
    const window = known && now - known.since < WINDOW_MS ? known : { since: now, count: 0 };
    this.opened.set(digest, window);
    window.count++;
    if (window.count <= PER_PREPARED * maxPrepared) return;
    throw new ParleyError(
      Code.RESOURCE_EXHAUSTED,
      "SESSION_RATE",
      `too many ${this.what} under agreement ${id} in a minute`,
      "Wait a minute; larger runs need fewer sessions.",
    );
  }
}
