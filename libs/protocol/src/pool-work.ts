import { sizeOf, tournament } from "@parley/plan";
import type { MaxPoolStep } from "@parley/plan";
import { couplesOf } from "@parley/ring";
import type { Couples } from "@parley/ring";

import type { Region } from "./arena.js";
import type { Context } from "./program.js";

/** What a party does by itself around one round of a tournament. Pointers into the session's memory. */
export interface PoolRound {
  /** Adds the shares of a - b of all pairs to the words at x. */
  addDifferences(x: number): void;
  /** Keeps the shares of b + z. */
  keepWinners(z: number): void;
}

export interface PoolWork {
  readonly rounds: readonly PoolRound[];
  /** Before the first round and after the last one, where there is anything to do. */
  readonly load?: () => void;
  readonly collect?: () => void;
}

/** The local work of a maximum pooling; which form it takes is public, as the plan is. */
export function poolWork(context: Context, step: MaxPoolStep, width: number): PoolWork {
  const couples = chained(step, sizeOf(context.plan.tensors[step.input]));
  return couples ? coupleWork(context, step, couples) : slotWork(context, step, width);
}

/** The pairs of each round, shifted to start at 0, where each round pairs just what the one before won, as neighbours. */
function chained(step: MaxPoolStep, inputs: number): Couples[] | undefined {
  const { levels, result } = tournament(step);
  if (levels.length === 0) return undefined;
  const couples: Couples[] = [];
  let [first, count] = [0, inputs];
  for (const level of levels) {
    const inside = [level.a, level.b].every((slots) => slots.every((s) => s >= first && s < first + count));
    const from = first;
    const made = inside && couplesOf({ a: level.a.map((s) => s - from), b: level.b.map((s) => s - from) });
    if (!made) return undefined;
    couples.push(made);
    [first, count] = [level.first, level.a.length];
  }
  return result.length === count && result.every((slot, k) => slot === first + k) ? couples : undefined;
}

/** Each round reads the tensor or the winners before it, and writes its own; the last one the result. */
function coupleWork({ arena, records, tensors, plan }: Context, step: MaxPoolStep, couples: Couples[]): PoolWork {
  const { levels } = tournament(step);
  let from: Region = tensors[step.input];
  let stride = sizeOf(plan.tensors[step.input]);
  const rounds = couples.map(({ runs, last }, round): PoolRound => {
    const count = levels[round].a.length;
    const source = from;
    const sourceStride = stride;
    const runsAt = arena.fix(4 * runs.length, (ring, at) => ring.u32(at, runs.length).set(runs));
    const target = round === levels.length - 1 ? tensors[step.output] : arena.reserve(8 * records * count);
    [from, stride] = [target, count];
    const at = (): [number, number, number] => [runsAt.at, runs.length / 4, last];
    return {
      addDifferences(x) {
        arena.ring.exports.poolCoupleDifferences(x, source.at, ...at(), records, sourceStride);
      },
      keepWinners(z) {
        arena.ring.exports.poolCoupleWinners(target.at, count, source.at, sourceStride, z, ...at(), records);
      },
    };
  });
  return { rounds };
}

/** Any windows: slots of a record are the input's elements, then one per comparison, found by lists of indices. */
function slotWork({ arena, records, tensors, plan }: Context, step: MaxPoolStep, width: number): PoolWork {
  const { levels, slots, result } = tournament(step);
  const [inputs, outputs] = [step.input, step.output].map((tensor) => sizeOf(plan.tensors[tensor]));
  const pool = arena.reserve(8 * records * slots);
  const list = (values: Uint32Array): Region =>
    arena.fix(4 * values.length, (ring, at) => ring.u32(at, values.length).set(values));
  const resultAt = list(result);
  const rounds = levels.map(({ a, b, first }): PoolRound => {
    const [aAt, bAt] = [list(a), list(b)];
    return {
      addDifferences(x) {
        arena.ring.exports.poolDifferences(x, pool.at, aAt.at, bAt.at, a.length, records, slots, width);
      },
      keepWinners: (z) => arena.ring.exports.poolWinners(pool.at, z, bAt.at, first, a.length, records, slots),
    };
  });
  return {
    rounds,
    load: () => arena.ring.exports.poolLoad(pool.at, tensors[step.input].at, inputs, records, slots),
    collect: () =>
      arena.ring.exports.poolGather(tensors[step.output].at, pool.at, resultAt.at, outputs, records, slots),
  };
}
