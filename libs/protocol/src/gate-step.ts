import { BLOCK, blocksOf, gateCounts, gateOf } from "@parley/plan";
import type { MaxPoolStep, ReluStep, TruncateStep } from "@parley/plan";

import { poolWork } from "./pool-work.js";
import type { Context, Instruction, StepProgram } from "./program.js";
import { GATES, packedWidth } from "./table-gate.js";

/** ReLU or truncation: one gate over the whole tensor. */
export function gateStep(context: Context, step: ReluStep | TruncateStep, index: number): StepProgram {
  const { plan, arena, records, tensors } = context;
  const gate = gateOf(plan, step);
  const [count] = gateCounts(plan, step, records);
  const online = GATES[step.gate]({
    context,
    step: index,
    gate,
    count,
    z: tensors[step.output],
    share(x, out) {
      arena.ring.exports.addPackWords(out, x, tensors[step.input].at, count, packedWidth(gate.width));
    },
  });
  return { expand: (part) => online.expand(part, index), instructions: online.opens };
}

/**
 * Maximum pooling as a tournament: in each round [max(a, b)] = [b] + [relu(a - b)] for all pairs of all windows at once.
 */
export function maxPoolStep(context: Context, step: MaxPoolStep, index: number): StepProgram {
  const { plan, arena, records, party, known } = context;
  const gate = gateOf(plan, step);
  const counts = gateCounts(plan, step, records);
  const z = arena.reserve(8 * BLOCK * Math.max(1, ...counts.map(blocksOf)));
  const { rounds, load, collect } = poolWork(context, step, gate.width);
  const gates = rounds.map((round, i) =>
    GATES[step.gate]({
      context,
      step: index,
      gate,
      count: counts[i],
      z,
      share(x, out) {
        round.addDifferences(x);
        arena.ring.exports.packWords(out, x, counts[i], packedWidth(gate.width));
      },
    }),
  );
  const compute = (offline: boolean, run: () => void): Instruction => ({ kind: "compute", step: index, offline, run });
  return {
    async expand(part) {
      for (const online of gates) await online.expand(part, index);
    },
    instructions: [
      ...(load ? [compute(party === 1 && known.has(step.input), load)] : []),
      ...gates.flatMap((online, i) => [...online.opens, compute(false, () => rounds[i].keepWinners(z.at))]),
      ...(collect ? [compute(false, collect)] : []),
    ],
  };
}
