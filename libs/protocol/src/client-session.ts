import { sizeOf } from "@parley/plan";

import { SessionError } from "./error.js";
import type { Instruction } from "./program.js";
import { Session } from "./session.js";
import type { SessionOptions } from "./session.js";

export interface ClientSessionOptions extends SessionOptions {
  /** D, the masked weights: 8 bytes a weight, linear steps in order. */
  readonly masked: Uint8Array;
}

/** Party P1, the data's side, of one run. One prepare(), one run(); then its batch is dead. */
export class ClientSession extends Session {
  private result?: BigInt64Array;

  /** @throws SessionError INVALID where plan, records and masked weights do not fit each other */
  constructor(options: ClientSessionOptions) {
    super(options, { party: 1, masked: options.masked });
  }

  /**
   * Expands the correlations, computes all shares that do not depend on the input, and sends the offline shares.
   * @throws SessionError
   */
  prepare(): Promise<void> {
    return this.prepareOnce();
  }

  /**
   * @param input n records of the plan's input tensor, row-major: integers at its scale
   * @returns the revealed integers of all records, sign-extended from output.width
   * @throws SessionError
   */
  async run(input: BigInt64Array): Promise<BigInt64Array> {
    const { plan, arena, records, tensors } = this.context;
    const count = records * sizeOf(plan.tensors[plan.input.tensor]);
    if (input.length !== count)
      throw new SessionError("INVALID", `the run takes ${count} input values, not ${input.length}`);
    await this.runOnce(() => arena.ring.i64(tensors[plan.input.tensor].at, count).set(input));
    if (!this.result) throw new SessionError("STATE", "the run ended without a result");
    return this.result;
  }

  protected override beforeLast(): void {
    // The last message is P0's.
  }

  /** P0's share of the output, added to P1's and sign-extended. */
  protected override outputInstruction(opening: number): Instruction {
    const { plan, arena, records, tensors, words } = this.context;
    const { tensor, width } = plan.output;
    const count = records * sizeOf(plan.tensors[tensor]);
    return {
      kind: "open",
      step: plan.steps.length,
      opening,
      complete: (_own, peer) => {
        const { ring } = arena;
        ring.exports.bitsToWords(peer, words.at, count, width);
        ring.exports.addWords(words.at, words.at, tensors[tensor].at, count);
        ring.exports.signExtendWords(words.at, width, count);
        this.result = ring.i64(words.at, count).slice();
      },
    };
  }
}
