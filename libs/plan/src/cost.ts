import { correctionBytes, maskBytes } from "./correlation.js";
import { comparisons } from "./openings.js";
import type { Plan } from "./plan.js";
import { schedule } from "./schedule.js";

/** Key and fingerprint in either part of a batch. */
const PART_HEADER_BYTES = 32 + 16;

/** What a run of n records costs. Declared bytes are payloads of steps: no frames, control messages or transcript hash. */
export interface Cost {
  readonly online: {
    /** One-way messages. */
    readonly messages: number;
    readonly p1ToP0: number;
    readonly p0ToP1: number;
  };
  readonly offline: {
    /** Steps that P1 sends before the input is known, and their bytes. */
    readonly messages: number;
    readonly p1ToP0: number;
    /** From the dealer to each party. */
    readonly dealerToP0: number;
    readonly dealerToP1: number;
  };
  /** Comparisons that correlations are dealt for. */
  readonly comparisons: number;
  /** Once per mask: bytes of U, and of D. */
  readonly maskBytes: number;
}

/** Predicted cost of a plan for n records. Pure. @throws RangeError for a plan that contradicts itself */
export function cost(plan: Plan, records: number): Cost {
  const { messages } = schedule(plan, records);
  const sum = (phase: "offline" | "online", from: 0 | 1): number =>
    messages.filter((m) => m.phase === phase && m.from === from).reduce((bytes, m) => bytes + m.bytes, 0);
  const count = (phase: "offline" | "online"): number => messages.filter((m) => m.phase === phase).length;
  return {
    online: { messages: count("online"), p1ToP0: sum("online", 1), p0ToP1: sum("online", 0) },
    offline: {
      messages: count("offline"),
      p1ToP0: sum("offline", 1),
      dealerToP0: PART_HEADER_BYTES,
      dealerToP1: PART_HEADER_BYTES + correctionBytes(plan, records),
    },
    comparisons: comparisons(plan, records),
    maskBytes: maskBytes(plan),
  };
}
