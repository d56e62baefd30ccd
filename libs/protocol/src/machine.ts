import { schedule as scheduleOf } from "@parley/plan";
import type { Plan, Schedule } from "@parley/plan";

import { Arena } from "./arena.js";
import { buildContext, buildProgram } from "./build-program.js";
import type { Operands } from "./build-program.js";
import { SessionError } from "./error.js";
import { MessageMemory } from "./message-memory.js";
import { piecesOf } from "./prefetch.js";
import type { Context, Instruction, StepProgram } from "./program.js";

/** Programs and memory of one party for runs of one kind. It serves one run at a time, many one after the other. */
export interface Machine {
  readonly schedule: Schedule;
  readonly context: Context;
  readonly messages: MessageMemory;
  readonly programs: readonly StepProgram[];
  readonly instructions: readonly Instruction[];
  /** What the instructions read, for {@link Prefetch}. */
  readonly pieces: ReturnType<typeof piecesOf>;
  /** Index of the output's opening. */
  readonly output: number;
}

/** @throws SessionError INVALID where plan, records and operands do not fit each other */
function build(plan: Plan, records: number, operands: Operands): Machine {
  try {
    const arena = new Arena();
    const schedule = scheduleOf(plan, records);
    const context = buildContext(plan, records, schedule, operands.party, arena);
    const messages = new MessageMemory(schedule, operands.party, arena);
    const programs = buildProgram(context, operands);
    const output = context.nextOpening(plan.steps.length, "output");
    arena.build();
    const instructions = programs.flatMap((p) => p.instructions);
    return { schedule, context, messages, programs, instructions, pieces: piecesOf(instructions), output };
  } catch (cause) {
    if (cause instanceof SessionError) throw cause;
    // Widths, windows or sizes that the engine refuses, or more memory than there is.
    throw new SessionError("INVALID", cause instanceof Error ? cause.message : "the plan cannot be run", { cause });
  }
}

/** The object that stands for a party's operand: machines with its fixed regions are kept under it. */
const ownerOf = (operands: Operands): object => (operands.party === 0 ? operands.weights : operands.masked);

interface Idle {
  readonly machine: Machine;
  readonly owner: object;
  readonly plan: Plan;
  readonly records: number;
  readonly party: 0 | 1;
}

/**
 * Machines between two runs, their run memory zeroed: mapping pages, packing weights and laying out programs costs more
 * than all else in a preparation. The longest unused are given up first.
 */
export class MachinePool {
  private readonly idle: Idle[] = [];
  private held = 0;

  /** @param limit most bytes that are kept */
  constructor(private readonly limit: number) {}

  /** A machine for one run. @throws SessionError INVALID where plan, records and operands do not fit each other */
  take(plan: Plan, records: number, operands: Operands): Machine {
    const { party } = operands;
    const owner = ownerOf(operands);
    const at = this.idle.findLastIndex(
      (i) => i.owner === owner && i.plan === plan && i.records === records && i.party === party,
    );
    if (at < 0) return build(plan, records, operands);
    const [{ machine }] = this.idle.splice(at, 1);
    this.held -= machine.context.arena.bytes;
    return machine;
  }

  /** Gives a machine back that nobody reads or writes any more; its run memory is zeroed already. */
  give(machine: Machine, operands: Operands): void {
    const { plan, records, party, arena } = machine.context;
    if (arena.bytes > this.limit) return;
    this.idle.push({ machine, owner: ownerOf(operands), plan, records, party });
    this.held += arena.bytes;
    while (this.held > this.limit) this.held -= this.idle.shift()?.machine.context.arena.bytes ?? 0;
  }

  /** Gives up the machines of a model's weights, or of masked weights, which must not outlive their agreement. */
  forget(owner: object): void {
    const kept = this.idle.filter((i) => i.owner !== owner);
    this.idle.splice(0, this.idle.length, ...kept);
    this.held = kept.reduce((sum, { machine }) => sum + machine.context.arena.bytes, 0);
  }
}

const POOL_BYTES = 512 * 1024 * 1024;

/** The machines of this process. */
export const machines = new MachinePool(POOL_BYTES);

/** Gives up all that is kept of a model's weights or of masked weights. */
export const forgetOperand = (operand: object): void => machines.forget(operand);
