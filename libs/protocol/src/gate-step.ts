import { BLOCK, blocksOf, gateCounts, gateOf, sizeOf, tournament } from "@parley/plan";
import type { MaxPoolStep, ReluStep, TruncateStep } from "@parley/plan";

import type { Context, Instruction, StepProgram } from "./program.js";
import { GATES } from "./table-gate.js";

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
    addInput: (x) => arena.ring.exports.wordsAddMod(x, x, tensors[step.input].at, count, gate.width),
  });
  return { expand: (part) => online.expand(part, index), instructions: online.opens };
}

/**
 * Maximum pooling as a tournament: in each round [max(a, b)] = [b] + [relu(a - b)] for all pairs of all windows at once.
 * Slots of a record: the input's elements, then one per comparison.
 */
export function maxPoolStep(context: Context, step: MaxPoolStep, index: number): StepProgram {
  const { plan, arena, records, tensors, party, known } = context;
  const gate = gateOf(plan, step);
  const counts = gateCounts(plan, step, records);
  const { levels, slots, result } = tournament(step);
  const inputs = sizeOf(plan.tensors[step.input]);
  const outputs = sizeOf(plan.tensors[step.output]);
  const pool = arena.reserve(8 * records * slots);
  const z = arena.reserve(8 * BLOCK * Math.max(1, ...counts.map(blocksOf)));
  const resultAt = arena.reserve(4 * outputs);
  const pairs = levels.map((level) => ({
    ...level,
    count: level.a.length,
    aAt: arena.reserve(4 * level.a.length),
    bAt: arena.reserve(4 * level.b.length),
  }));
  const gates = pairs.map((level, round) =>
    GATES[step.gate]({
      context,
      step: index,
      gate,
      count: counts[round],
      z,
      addInput(x) {
        const { aAt, bAt, count } = level;
        arena.ring.exports.poolDifferences(x, pool.at, aAt.at, bAt.at, count, records, slots, gate.width);
      },
    }),
  );
  const compute = (offline: boolean, run: () => void): Instruction => ({ kind: "compute", step: index, offline, run });
  return {
    async expand(part) {
      const { ring } = arena;
      ring.u32(resultAt.at, outputs).set(result);
      for (const level of pairs) {
        ring.u32(level.aAt.at, level.count).set(level.a);
        ring.u32(level.bAt.at, level.count).set(level.b);
      }
      for (const online of gates) await online.expand(part, index);
    },
    instructions: [
      compute(party === 1 && known.has(step.input), () =>
        arena.ring.exports.poolLoad(pool.at, tensors[step.input].at, inputs, records, slots),
      ),
      ...gates.flatMap((online, round) => [
        ...online.opens,
        compute(false, () => {
          const { bAt, first, count } = pairs[round];
          arena.ring.exports.poolWinners(pool.at, z.at, bAt.at, first, count, records, slots);
        }),
      ]),
      compute(false, () =>
        arena.ring.exports.poolGather(tensors[step.output].at, pool.at, resultAt.at, outputs, records, slots),
      ),
    ],
  };
}
