import { weightCount } from "@parley/plan";
import type { Plan } from "@parley/plan";

import { deriveMask, stepKey } from "./key-derivation.js";
import { Keystream } from "./keystream.js";

const CHUNK_BYTES = 256 * 1024;

/** The mask U of one linear step, from the front. @param key of {@link deriveMask} */
export const maskStream = (key: Uint8Array, step: number): Keystream => new Keystream(stepKey(key, step));

/**
 * U of all linear steps in order, little-endian words, in chunks of at most 256 KiB that each belong to the caller.
 * @param maskKey the dealer's key of this mask, 32 bytes
 */
export async function* expandMask(maskKey: Uint8Array, maskId: Uint8Array, plan: Plan): AsyncGenerator<Uint8Array> {
  const key = deriveMask(maskKey, maskId);
  for (let step = 0; step < plan.steps.length; step++) {
    const bytes = 8 * weightCount(plan, step);
    if (bytes === 0) continue;
    const stream = maskStream(key, step);
    for (let at = 0; at < bytes; at += CHUNK_BYTES) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, bytes - at));
      stream.fill(chunk);
      yield chunk;
    }
  }
  key.fill(0);
}
