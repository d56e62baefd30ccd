import { sizeOf } from "@parley/plan";
import type { Weights } from "@parley/plan";

import { SessionError } from "./error.js";
import type { Instruction } from "./program.js";
import { Session } from "./session.js";
import type { SessionOptions } from "./session.js";

export interface ServerSessionOptions extends SessionOptions {
  /** The model: weights and biases of the plan's linear steps, and its constants. */
  readonly weights: Weights;
}

/** Party P0, the model's side, of one run. One prepare(), one run(); then its batch is dead. */
export class ServerSession extends Session {
  private left = false;
  private beforeReveal?: () => void;

  /** @throws SessionError INVALID where plan, records and weights do not fit each other */
  constructor(options: ServerSessionOptions) {
    super(options, { party: 0, weights: options.weights });
  }

  /**
   * Resolves when the correlations are expanded and P1's offline shares are in.
   * @throws SessionError
   */
  prepare(): Promise<void> {
    return this.prepareOnce();
  }

  /**
   * Resolves when the last message has left. P1's transcript was compared when its last message came.
   * @param beforeReveal called right before the last message; where it throws, nothing is revealed
   * @throws SessionError
   */
  run(beforeReveal: () => void): Promise<void> {
    return this.runOnce(() => (this.beforeReveal = beforeReveal));
  }

  /** Whether the last message has left, or may have. */
  get revealed(): boolean {
    return this.left;
  }

  protected override beforeLast(): void {
    try {
      this.beforeReveal?.();
    } catch (cause) {
      throw new SessionError("STOPPED", "the result was not revealed: the run was stopped before its last message", {
        cause,
      });
    }
    this.left = true;
  }

  /** The low output.width bits of P0's share, and no more (protocol, section 7). */
  protected override outputInstruction(opening: number): Instruction {
    const { plan, arena, records, tensors } = this.context;
    const { tensor, width } = plan.output;
    const count = records * sizeOf(plan.tensors[tensor]);
    return {
      kind: "open",
      step: plan.steps.length,
      opening,
      share: (out) => arena.ring.exports.wordsToBits(tensors[tensor].at, out, count, width),
    };
  }
}
