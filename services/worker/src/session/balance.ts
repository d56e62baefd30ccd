import { randomInt } from "node:crypto";
import type { Spread } from "../peer/partner-connections.js";

const RANGE = 2 ** 32;
const fraction = () => randomInt(RANGE) / RANGE;

/**
 * The addresses from which a session each should move to where the fewest streams are: where one address has at least two
 * more than another, a quarter of the difference. One that is new gets its share also where all have few: of many workers
 * with one session each, so many move, by chance, as the new one is of the whole.
 */
export function moves({ streams, fresh }: Spread, random: () => number = fraction): string[] {
  const counts = [...streams].sort(([, a], [, b]) => a - b);
  const least = counts[0]?.[1] ?? 0;
  const [crowded, most] = counts.at(-1) ?? ["", 0];
  if (most - least >= 2) return Array.from({ length: Math.ceil((most - least) / 4) }, () => crowded);
  const share = counts.reduce((sum, [, count]) => sum + count, 0) / counts.length;
  const isNewest = most > least && fresh.some((target) => streams.get(target) === least);
  return isNewest && random() < share - least ? [crowded] : [];
}
