import type { Plan } from "@parley/plan";

import type { BatchKeys } from "./key-derivation.js";

/** Deals batches for one mask: computes P1's explicit corrections. */
export class Dealing {
  constructor(
    readonly plan: Plan,
    _maskKey: Uint8Array,
    _maskId: Uint8Array,
  ) {}

  /** P1's corrections of one batch in the order of steps, in chunks of at most 256 KiB that belong to the caller. */
  async *corrections(_keys: BatchKeys, _records: number): AsyncGenerator<Uint8Array> {
    throw new Error("not built yet");
  }

  /** Erases U. */
  destroy(): void {}
}
