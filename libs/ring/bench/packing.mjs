import { randomFillSync } from "node:crypto";
import { createRing } from "../dist/index.js";
import { time } from "./time.mjs";

const WORDS = 8192;

/** Rows of the table: GiB of 64-bit words per second. */
export function measurePacking() {
  const ring = createRing(2 * 8 * WORDS + 4096);
  const [words, packed] = [ring.alloc(8 * WORDS), ring.alloc(8 * WORDS)];
  randomFillSync(ring.u8(words, 8 * WORDS));
  const rate = (call) => ((8 * WORDS) / 2 ** 30 / (time(call).best / 1000)).toFixed(1);
  return [32, 40, 48, 56, 64].map((bits) => [
    `${bits} bits`,
    rate(() => ring.exports.packWords(packed, words, WORDS, bits)),
    rate(() => ring.exports.unpackWords(words, packed, WORDS, bits)),
  ]);
}
