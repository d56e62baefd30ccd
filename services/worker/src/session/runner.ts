import { sizeOf } from "@parley/plan";
import { Code, ParleyError, type fleet } from "@parley/proto";
import { continueTrace, startSpan, traceparentOf, withTrace, type Logger, type Span } from "@parley/service-kit";
import type { FleetLink } from "../fleet/fleet-link.js";
import type { AgreementSet } from "../models/agreement-set.js";
import type { ClientParty, RunOutcome } from "./client-party.js";
import { isRetryable, sessionFailure } from "./failure.js";
import type { RunRecord } from "../telemetry/run-record.js";
import { inOrder, ownSteps, partnerSteps } from "../telemetry/run-steps.js";
import { partyOf, peerOf, tellRun } from "../telemetry/run-telemetry.js";
import type { Stock } from "./stock.js";

/** A result waits for the partner's steps, which come right behind it, for so long at most. */
const STEPS_MS = 20;

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
    const { jobId, attemptId, run, records } = order;
    const about = {
      "parley.job.id": jobId,
      "parley.attempt.id": attemptId,
      "parley.run": run,
      "parley.records": records,
    };
    const span = startSpan("parley.run", about, { parent: continueTrace(order.traceparent) });
    void withTrace(span.context, () => this.execute(order, span));
  }

  cancel(attemptId: string): void {
    const parties = this.#running.get(attemptId);
    if (!parties) return;
    this.#cancelled.add(attemptId);
    for (const party of parties) party.close();
  }

  private async execute(order: fleet.RunOrder, span: Span<"parley.run">) {
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
      const { outcome, party: used } = await this.attempt(order, span, input, (current) => {
        if (party) parties.delete(party); // its session had died
        parties.add((party = current));
      });
      const output = Buffer.from(outcome.output.buffer, outcome.output.byteOffset, outcome.output.byteLength);
      const timings = await timingsOf(outcome);
      this.stock.giveBack(used); // which may end the stream
      await this.link.deliver({ ...empty, output, revealed: true, timings });
      this.tell(span, used, outcome.record);
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
      this.tell(span, party, party?.record, failure.reason);
    } finally {
      if (party) parties.delete(party);
      if (!parties.size) {
        this.#running.delete(attemptId);
        this.#cancelled.delete(attemptId);
      }
      this.stock.replenish();
    }
  }

  private tell(span: Span<"parley.run">, party?: ClientParty, record?: RunRecord, failed?: string) {
    if (party) span.set({ ...partyOf(party), peer: peerOf(party.agreement), "parley.session.id": party.sessionId });
    if (record) span.link(record.prepared.trace);
    tellRun(span, record, failed);
  }

  /** A session from stock may have died unnoticed: then the run, which was not bound, gets a fresh one. */
  private async attempt(
    order: fleet.RunOrder,
    { context }: Span<"parley.run">,
    input: BigInt64Array,
    use: (party: ClientParty) => void,
  ): Promise<{ outcome: RunOutcome; party: ClientParty }> {
    const { ticket, jobId, attemptId, run, records } = order;
    const id = order.agreementDigest.toString("hex");
    const traceparent = traceparentOf(context);
    const bind = { ticket, jobId, attemptId, run, traceparent, wantsSteps: context.sampled };
    const { party, fromStock } = await this.stock.take(id, records);
    use(party);
    try {
      return { outcome: await party.run(bind, input), party };
    } catch (error) {
      const failure = sessionFailure(error);
      // It was good when it was prepared: it may have died since, or its worker has begun to stop.
      const isOver = fromStock || failure.reason === "DRAINING";
      if (!isOver || party.bound || this.#cancelled.has(attemptId) || !isRetryable(failure)) throw error;
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

const timingsOf = async (o: RunOutcome): Promise<fleet.RunTimings> => ({
  onlineMicros: BigInt(o.onlineMicros),
  bindMicros: BigInt(o.bindMicros),
  offlineMicros: BigInt(Math.round(o.record.prepared.lasted * 1000)),
  messages: o.messages,
  bytesP1ToP0: BigInt(o.bytesP1ToP0),
  bytesP0ToP1: BigInt(o.bytesP0ToP1),
  steps: await stepsOf(o),
});

/** Both parties' steps, where they were wanted. */
async function stepsOf({ record, partner }: RunOutcome): Promise<fleet.RunStep[]> {
  if (!partner) return [];
  const told = await partner.within(STEPS_MS);
  return inOrder([...ownSteps(record), ...(told ? partnerSteps(told, record) : [])]);
}
