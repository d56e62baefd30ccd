import type { Opening, Plan } from "@parley/plan";

import type { Arena, Region } from "./arena.js";
import type { PartyCorrelations } from "./correlations.js";

/** Work without the peer. */
export interface Compute {
  readonly kind: "compute";
  readonly step: number;
  /** P1 only: depends on nothing but correlations, so it is done before the input is known. */
  readonly offline: boolean;
  /** Large regions that it reads front to back. */
  readonly reads?: readonly Region[];
  run(): void;
}

/** An opening: this party writes its share, then, when the peer's is there, uses both. Pointers into the session's memory. */
export interface Open {
  readonly kind: "open";
  readonly step: number;
  /** Index into Schedule.openings. */
  readonly opening: number;
  /** Large regions that it reads front to back. */
  readonly reads?: readonly Region[];
  /** Writes this party's share to `out`; absent where it sends none. */
  share?(out: number): void;
  /** own, peer: the two shares as sent; 0 where that party sends none. */
  complete?(own: number, peer: number): void;
}

export type Instruction = Compute | Open;

/** One step of the plan at one party. */
export interface StepProgram {
  /** Draws this step's correlated randomness; called once in a run, in the order of steps. `alive` throws when the session has ended. */
  expand(part: PartyCorrelations, alive: () => void): Promise<void>;
  readonly instructions: readonly Instruction[];
}

/** What the programs of all steps share. */
export interface Context {
  readonly plan: Plan;
  readonly records: number;
  readonly party: 0 | 1;
  readonly arena: Arena;
  /** Shares of each tensor: words, with room for whole blocks of 128. */
  readonly tensors: readonly Region[];
  /** Room for the words of any one opening. */
  readonly words: Region;
  /** Tensors of which P1 knows its share before the input. */
  readonly known: ReadonlySet<number>;
  /** The next opening of the schedule, which must be of this step and kind. */
  nextOpening(step: number, what: Opening["what"]): number;
}
