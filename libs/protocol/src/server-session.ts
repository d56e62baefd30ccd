import type { Plan, Weights } from "@parley/plan";

import type { Channel } from "./channel.js";
import type { PartyCorrelations } from "./correlations.js";
import type { SessionObserver } from "./observer.js";

export interface ServerSessionOptions {
  readonly plan: Plan;
  readonly records: number;
  readonly weights: Weights;
  readonly correlations: PartyCorrelations;
  readonly channel: Channel;
  readonly observer?: SessionObserver;
}

/** Party P0 of one run. One prepare(), one run(); then its batch is dead. */
export class ServerSession {
  constructor(readonly options: ServerSessionOptions) {}

  /** Resolves when the correlations are expanded and P1's offline shares are in. */
  prepare(): Promise<void> {
    throw new Error("not built yet");
  }

  /**
   * Resolves when the last message has left. `beforeReveal` is called right before it, after the transcripts were
   * compared; where it throws, nothing is revealed.
   */
  run(_beforeReveal: () => void): Promise<void> {
    throw new Error("not built yet");
  }

  /** Whether the last message has left. */
  get revealed(): boolean {
    return false;
  }

  /** SHA-256 over (direction, step, length, bytes) of all steps so far. */
  transcript(): Uint8Array {
    throw new Error("not built yet");
  }

  /** Ends the session where it has not ended, and zeroes its memory. */
  destroy(): void {}
}
