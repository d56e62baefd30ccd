import type { Plan } from "@parley/plan";

import type { Channel } from "./channel.js";
import type { PartyCorrelations } from "./correlations.js";
import type { SessionObserver } from "./observer.js";

export interface ClientSessionOptions {
  readonly plan: Plan;
  readonly records: number;
  /** D, the masked weights: 8 bytes a weight, linear steps in order. */
  readonly masked: Uint8Array;
  readonly correlations: PartyCorrelations;
  readonly channel: Channel;
  readonly observer?: SessionObserver;
}

/** Party P1 of one run. One prepare(), one run(); then its batch is dead. */
export class ClientSession {
  constructor(readonly options: ClientSessionOptions) {}

  /** Expands the correlations, computes all shares that do not depend on the input, and sends the offline shares. */
  prepare(): Promise<void> {
    throw new Error("not built yet");
  }

  /**
   * @param input n records, scaled integers
   * @returns the revealed integers of all records, sign-extended from output.width
   */
  run(_input: BigInt64Array): Promise<BigInt64Array> {
    throw new Error("not built yet");
  }

  transcript(): Uint8Array {
    throw new Error("not built yet");
  }

  destroy(): void {}
}
