import { GATE_LAYOUTS, openingRowBytes } from "./gate.js";
import type { TableGate } from "./gate.js";
import { bitBytes, packedBytes } from "./packing.js";
import { sizeOf } from "./plan.js";
import type { MaxPoolStep, Plan, ReluStep, Step, TensorId, TruncateStep } from "./plan.js";
import { tournament } from "./tournament.js";

/** A step that compares: its gates, one after the other, with the elements of one record in each. */
export type GateStep = ReluStep | TruncateStep | MaxPoolStep;

export const isGateStep = (step: Step): step is GateStep => "gate" in step;

/** A value that becomes known to both parties (or to one) in the run, in the order of the protocol. */
export interface Opening {
  /** Index into Plan.steps; Plan.steps.length for the output. */
  readonly step: number;
  /** Round of a tournament, else 0. */
  readonly level: number;
  /** "e": P1's masked tensor; "x", "bits", "select": of a gate; "output": P0's share, to P1 only. */
  readonly what: "e" | "x" | "bits" | "select" | "output";
  /** Bytes that P0 sends in the run. */
  readonly bytes0: number;
  /** Bytes that P1 sends in the run. */
  readonly bytes1: number;
  /** Bytes that P1 sends before the input is known, in place of `bytes1`. */
  readonly offline1: number;
}

/** The gate of a step. All rounds of a tournament use the same one. */
export function gateOf(plan: Plan, step: GateStep): TableGate {
  return GATE_LAYOUTS[step.gate]({
    kind: step.gate,
    function: step.op === "truncate" ? "truncate" : "relu",
    width: step.width,
    shift: step.op === "maxpool" ? 0 : step.shift,
    modulus: plan.tensors[step.output].modulus,
  });
}

/** Elements of each gate of a step, for n records. */
export function gateCounts(plan: Plan, step: GateStep, records: number): number[] {
  if (step.op !== "maxpool") return [records * sizeOf(plan.tensors[step.input])];
  return tournament(step).levels.map((level) => records * level.a.length);
}

/** Bits in which the `e` of a tensor travels: the largest width of the linear steps that read it; 0 where none does. */
export const maskedBits = (plan: Plan, tensor: TensorId): number =>
  plan.steps.reduce((bits, s) => (s.op === "linear" && s.input === tensor ? Math.max(bits, s.width) : bits), 0);

/** Whether this linear step is the first reader of its tensor, the one before which `e` is sent and to which `v` belongs. */
export const isFirstReader = (plan: Plan, index: number): boolean => {
  const step = plan.steps[index];
  return step.op === "linear" && plan.steps.findIndex((s) => s.op === "linear" && s.input === step.input) === index;
};

/**
 * Tensors of which P1 knows its share before the input is known: outputs of linear layers on a fresh `e`, and what
 * follows from such tensors without interaction.
 */
export function knownOffline(plan: Plan): Set<TensorId> {
  const known = new Set<TensorId>();
  for (const step of plan.steps) {
    if (step.op === "linear") known.add(step.output);
    else if (step.op === "add" && step.inputs.every((t) => known.has(t))) known.add(step.output);
    else if ((step.op === "sumpool" || step.op === "add-constant") && known.has(step.input)) known.add(step.output);
  }
  return known;
}

function gateOpenings(plan: Plan, step: GateStep, index: number, records: number, known: Set<TensorId>): Opening[] {
  const gate = gateOf(plan, step);
  const offline = step.share === "offline";
  if (offline && !known.has(step.input))
    throw new RangeError(
      `step "${step.name}": its input is not known to the client before the run, so its share is "online"`,
    );
  return gateCounts(plan, step, records).flatMap((count, level) =>
    gate.openings.map((opening): Opening => {
      const at = { step: index, level, what: opening.what, offline1: 0 };
      if (opening.what !== "x") {
        const bytes = openingRowBytes(opening, count);
        return { ...at, bytes0: bytes, bytes1: bytes };
      }
      const bytes = packedBytes(gate.width, count);
      return offline && level === 0
        ? { ...at, bytes0: bytes, bytes1: 0, offline1: bytes }
        : { ...at, bytes0: bytes, bytes1: bytes };
    }),
  );
}

/** All openings of a run of n records, in order. @throws RangeError for a plan that contradicts itself, naming the step */
export function openings(plan: Plan, records: number): Opening[] {
  const known = knownOffline(plan);
  const all = plan.steps.flatMap((step, index): Opening[] => {
    if (isGateStep(step)) return gateOpenings(plan, step, index, records, known);
    if (!isFirstReader(plan, index) || step.op !== "linear") return [];
    const bytes1 = packedBytes(maskedBits(plan, step.input), records * sizeOf(plan.tensors[step.input]));
    return [{ step: index, level: 0, what: "e", bytes0: 0, bytes1, offline1: 0 }];
  });
  const last = bitBytes(plan.output.width, records * sizeOf(plan.tensors[plan.output.tensor]));
  return [...all, { step: plan.steps.length, level: 0, what: "output", bytes0: last, bytes1: 0, offline1: 0 }];
}

/** Comparisons of a run: elements of all gates, without the padding of their last blocks. */
export const comparisons = (plan: Plan, records: number): number =>
  plan.steps.filter(isGateStep).reduce((sum, s) => sum + gateCounts(plan, s, records).reduce((a, b) => a + b, 0), 0);
