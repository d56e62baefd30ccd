import { sizeOf } from "@parley/plan";
import { Code, ParleyError, type fleet } from "@parley/proto";
import { continueTrace, withTrace, type Logger } from "@parley/service-kit";
import type { FleetLink } from "../fleet/fleet-link.js";
import type { AgreementSet } from "../models/agreement-set.js";
import type { ClientParty, RunOutcome } from "./client-party.js";
import { isRetryable, sessionFailure } from "./failure.js";
import type { Stock } from "./stock.js";

/** Executes the runs that the own access point orders: P1's side. */
export class Runner {
  readonly #running = new Map<string, Set<ClientParty>>();
  readonly #cancelled = new Set<string>();

  constructor(
    private readonly stock: Stock,
    private readonly agreements: AgreementSet,
    private readonly link: FleetLink,
    private readonly logger: Logger,
  ) {}

  /** Runs under way. */
  get busy(): number {
    return this.#running.size;
  }

  start(order: fleet.RunOrder): void {
    void withTrace(continueTrace(order.traceparent), () => this.execute(order));
  }

  cancel(attemptId: string): void {
    const parties = this.#running.get(attemptId);
    if (!parties) return;
    this.#cancelled.add(attemptId);
    for (const party of parties) party.close();
  }

  private async execute(order: fleet.RunOrder) {
    const { attemptId, run } = order;
    const parties = this.#running.get(attemptId) ?? new Set<ClientParty>();
    this.#running.set(attemptId, parties);
    const empty = {
      attemptId,
      run,
      output: Buffer.alloc(0),
      code: 0,
      reason: "",
      message: "",
      retryable: false,
      revealed: false,
      timings: undefined,
    };
    let party: ClientParty | undefined;
    try {
      const input = this.inputOf(order);
      const { outcome, party: used } = await this.attempt(order, input, (current) => {
        if (party) parties.delete(party); // its session had died
        parties.add((party = current));
      });
      this.stock.giveBack(used);
      const output = Buffer.from(outcome.output.buffer, outcome.output.byteOffset, outcome.output.byteLength);
      await this.link.deliver({ ...empty, output, revealed: true, timings: timingsOf(outcome, used) });
    } catch (error) {
      const failure = this.#cancelled.has(attemptId)
        ? new ParleyError(Code.CANCELLED, "CANCELLED", "the run was cancelled", "")
        : sessionFailure(error);
      this.logger.info({ code: Code[failure.code], reason: failure.reason, attemptId, run }, "a run failed");
      const { code, reason, message } = failure;
      await this.link.deliver({
        ...empty,
        code,
        reason,
        message,
        retryable: isRetryable(failure),
        revealed: party?.revealed ?? false,
      });
    } finally {
      if (party) parties.delete(party);
      if (!parties.size) {
        this.#running.delete(attemptId);
        this.#cancelled.delete(attemptId);
      }
      this.stock.replenish();
    }
  }

  /** A session from stock may have died unnoticed: then the run, which was not bound, gets a fresh one. */
  private async attempt(
    order: fleet.RunOrder,
    input: BigInt64Array,
    use: (party: ClientParty) => void,
  ): Promise<{ outcome: RunOutcome; party: ClientParty }> {
    const { ticket, jobId, attemptId, run, traceparent, records } = order;
    const id = order.agreementDigest.toString("hex");
    const bind = { ticket, jobId, attemptId, run, traceparent };
    const { party, fromStock } = await this.stock.take(id, records);
    use(party);
    try {
      return { outcome: await party.run(bind, input), party };
    } catch (error) {
      if (!fromStock || party.bound || this.#cancelled.has(attemptId) || !isRetryable(sessionFailure(error)))
        throw error;
      const fresh = await this.stock.prepare(id, records);
      use(fresh);
      return { outcome: await fresh.run(bind, input), party: fresh };
    }
  }

  private inputOf({ agreementDigest, records, input }: fleet.RunOrder): BigInt64Array {
    const agreement = this.agreements.get(agreementDigest.toString("hex"));
    if (!agreement)
      throw new ParleyError(
        Code.FAILED_PRECONDITION,
        "NO_AGREEMENT",
        "the agreement is not active any more",
        "Make a new agreement.",
      );
    const count = records * sizeOf(agreement.plan.tensors[0]);
    if (input.length !== 8 * count)
      throw new ParleyError(
        Code.INVALID_ARGUMENT,
        "INPUT_SIZE",
        `the run takes ${8 * count} bytes of input, ${input.length} came`,
        "Report it: the access point cut the job wrongly.",
      );
    const aligned = new BigInt64Array(count);
    Buffer.from(aligned.buffer).set(input);
    return aligned;
  }
}

const timingsOf = (o: RunOutcome, party: ClientParty): fleet.RunTimings => ({
  onlineMicros: BigInt(o.onlineMicros),
  bindMicros: BigInt(o.bindMicros),
  offlineMicros: BigInt(party.offlineMicros),
  messages: o.messages,
  bytesP1ToP0: BigInt(o.bytesP1ToP0),
  bytesP0ToP1: BigInt(o.bytesP0ToP1),
  steps: [],
});
