import { Code, ParleyError, fleet, fromServiceError } from "@parley/proto";
import { continueTrace, implement, withTrace, type Binding, type CallContext, type Logger } from "@parley/service-kit";
import type { WorkerProbes } from "../domain/doctor/worker-probes.js";
import type { AgreementSet } from "../domain/fleet/agreement-set.js";
import type { AttachedWorker } from "../domain/fleet/attached-worker.js";
import type { Dispatcher, RunOutcome } from "../domain/fleet/dispatcher.js";
import type { Fleet } from "../domain/fleet/fleet.js";
import type { RunDesk } from "../domain/fleet/run-desk.js";
import type { Stock } from "../domain/fleet/stock.js";
import type { AttemptRunner } from "../domain/jobs/attempt-runner.js";
import { readRunSteps } from "../domain/trace/run-steps.js";
import type { OwnOrganisation } from "../domain/own-organisation.js";
import { denied, invalid, notFound, precondition } from "../domain/refusal.js";
import { isCurrent } from "../store/agreements.js";
import type { Vault } from "../store/vault.js";
import { workerRevoked, type WorkerAdmission } from "./worker-admission.js";

type Request = NonNullable<fleet.AttachRequest["body"]>;

/** What the access point serves to its own workers, under its own authority only. */
export class FleetRpc {
  constructor(
    private readonly own: OwnOrganisation,
    private readonly vault: Vault,
    private readonly fleet: Fleet,
    private readonly runDesk: RunDesk,
    private readonly dispatcher: Dispatcher,
    private readonly runner: AttemptRunner,
    private readonly agreements: AgreementSet,
    private readonly stock: Stock,
    private readonly probes: WorkerProbes,
    private readonly admission: WorkerAdmission,
    private readonly logger: Logger,
  ) {}

  binding(): Binding {
    return implement<fleet.FleetServiceServer>(
      fleet.FleetServiceService,
      {
        attach: (requests, context) => this.attach(requests, context, this.admission.require(context)),
        renewCertificate: async ({ csr }, context) => this.admission.certify(this.admission.require(context), csr),
        getWeights: ({ agreementDigest }, context) =>
          this.admission.whileIn(context, this.weights(agreementDigest.toString("hex"))),
        getMaskedWeights: ({ maskId }, context) => this.admission.whileIn(context, this.masked(maskId.toString("hex"))),
        putMaskedWeights: async (requests, context) => {
          this.admission.require(context);
          return this.putMasked(requests);
        },
      },
      { all: { roles: ["worker"], org: this.own.id } },
    );
  }

  private async *attach(
    requests: AsyncIterable<fleet.AttachRequest>,
    { signal, trace }: CallContext,
    enrolment: string,
  ) {
    const incoming = requests[Symbol.asyncIterator]();
    const first = await incoming.next();
    const hello = first.done ? undefined : first.value.body;
    if (hello?.$case !== "hello") throw invalid("HELLO_MISSING", "a worker's first message is its hello");
    if (!/^[\x21-\x7e]{1,200}$/.test(hello.value.name))
      throw invalid("WORKER_NAME", "a worker has a name of 1 to 200 printable characters");
    this.admission.named(enrolment, hello.value.name, trace.traceId);
    const worker = this.fleet.attach(hello.value, enrolment);
    const onAbort = () => worker.outgoing.end();
    signal.addEventListener("abort", onAbort, { once: true });
    worker.send({ $case: "agreements", value: this.agreements.current() });
    this.stock.push(true);
    // Before the first answer, on which the worker forgets them.
    for (const result of hello.value.finished)
      await this.result(result).catch((error: unknown) => this.logger.error({ err: error }, "result not taken"));
    void this.read(incoming, worker).finally(() => worker.outgoing.end());
    try {
      for await (const message of worker.outgoing) {
        if (worker.revoked) break;
        yield message;
      }
      if (worker.revoked) throw workerRevoked();
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.fleet.detach(worker);
      this.dispatcher.lost(worker);
      this.runDesk.lost(worker);
    }
  }

  private async read(incoming: AsyncIterator<fleet.AttachRequest>, worker: AttachedWorker) {
    try {
      for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
        const { requestId, body } = next.value;
        // Not awaited: requests that come together share a commit.
        void this.answer(requestId, body, worker);
      }
    } catch (error) {
      this.logger.debug({ worker: worker.name, code: fromServiceError(error).code }, "worker's stream broke");
    }
  }

  private async answer(requestId: bigint, body: Request | undefined, worker: AttachedWorker) {
    let reply: fleet.Reply = { code: Code.OK, reason: "", message: "", hint: "" };
    try {
      if (worker.revoked) throw workerRevoked();
      await this.handle(body, worker);
    } catch (caught) {
      if (!(caught instanceof ParleyError))
        this.logger.error({ worker: worker.name, request: body?.$case, err: caught }, "request failed");
      const { code, reason, message, hint } =
        caught instanceof ParleyError
          ? caught
          : new ParleyError(Code.INTERNAL, "INTERNAL", "internal error", "See the access point's log.");
      reply = { code, reason, message, hint };
      this.logger.info({ worker: worker.name, request: body?.$case, code: Code[code], reason }, "request refused");
    }
    if (requestId !== 0n) worker.send({ $case: "reply", value: reply }, requestId);
  }

  private async handle(body: Request | undefined, worker: AttachedWorker): Promise<void> {
    switch (body?.$case) {
      case "recordBatch":
        return this.runDesk.recordBatch(body.value);
      case "bindRun":
        return withTrace(continueTrace(body.value.traceparent || undefined), () =>
          this.runDesk.bind(body.value, worker),
        );
      case "runEnded":
        return this.runDesk.ended(body.value);
      case "pinMask":
        return this.runDesk.pinMask(body.value);
      case "runResult":
        return this.result(body.value);
      case "stock":
        worker.stock = body.value.entries.map(({ agreementDigest, records, sessions }) => ({
          agreement: agreementDigest.toString("hex"),
          records,
          sessions,
        }));
        return;
      case "openSession":
        return this.runDesk.openSession(body.value, worker);
      case "closeSession":
        return this.runDesk.closeSession(body.value, worker);
      case "probeFindings":
        return this.probes.take(worker, body.value);
      case "draining":
        return this.fleet.stopping(worker);
      case "hello":
        throw invalid("HELLO_TWICE", "a worker says hello once in a stream");
      default:
        throw invalid(
          "REQUEST_UNKNOWN",
          "the request has no known kind",
          "Check that worker and access point have the same version.",
        );
    }
  }

  private async result(result: fleet.RunResult): Promise<void> {
    const outcome = outcomeOf(result);
    const run = { attempt: result.attemptId, run: result.run };
    // Answered once it is on disk: until then the worker keeps it.
    const said = this.dispatcher.finish(run, outcome);
    if (said === "ended") await this.runner.stored(run.attempt, run.run);
    else if (said === "unknown") await this.runner.late(run.attempt, run.run, outcome);
  }

  private async *weights(digest: string): AsyncIterable<fleet.GetWeightsResponse> {
    const agreement = this.vault.agreements.byDigest(digest);
    if (!agreement || !isCurrent(agreement))
      throw precondition(
        "AGREEMENT_NOT_ACTIVE",
        `no agreement with digest ${digest} is in force`,
        "Wait for the next set of agreements.",
      );
    if (agreement.party !== 0)
      throw denied("NOT_MODEL_OWNER", `${this.own.id} does not own the model of agreement ${agreement.id}`);
    for await (const chunk of this.vault.files.stream("weights", agreement.assetId)) yield { chunk };
  }

  private async *masked(maskId: string): AsyncIterable<fleet.GetMaskedWeightsResponse> {
    const name =
      this.vault.agreements.byMask(maskId)?.party === 0 ? this.vault.agreements.byMask(maskId)!.digest : maskId;
    if (!/^[0-9a-f]{64}$/.test(maskId) || !(await this.vault.files.has("masked", name)))
      throw notFound(
        "MASKED_WEIGHTS_UNKNOWN",
        `the masked weights of mask ${maskId} are not in the vault`,
        "Fetch them from the partner's worker.",
      );
    for await (const chunk of this.vault.files.stream("masked", name)) yield { chunk };
  }

  private async putMasked(
    requests: AsyncIterable<fleet.PutMaskedWeightsRequest>,
  ): Promise<fleet.PutMaskedWeightsResponse> {
    const incoming = requests[Symbol.asyncIterator]();
    const first = await incoming.next();
    if (first.done || first.value.maskId.length !== 32)
      throw invalid("MASK_ID", "the first message names the mask, 32 bytes");
    const maskId = first.value.maskId.toString("hex");
    const pinned = this.vault.agreements.pinnedMask(maskId);
    if (!pinned) throw precondition("MASK_NOT_PINNED", `mask ${maskId} is not pinned`, "Pin its digest first.");
    async function* pieces() {
      for (let next = first; !next.done; next = await incoming.next()) yield next.value.chunk;
    }
    await this.vault.files.write("masked", maskId, pieces(), (digest) => {
      if (digest.toString("hex") !== pinned.digest)
        throw precondition(
          "MASK_DIFFERS",
          `the masked weights of mask ${maskId} do not have the pinned digest`,
          "The partner sent other weights, or the transfer was damaged: fetch them again.",
        );
    });
    return {};
  }
}

function outcomeOf(result: fleet.RunResult): RunOutcome {
  if (result.code === Code.OK) {
    const { onlineMicros, bindMicros, offlineMicros, messages, bytesP1ToP0, bytesP0ToP1 } =
      result.timings ?? fleet.RunTimings.create();
    return {
      ok: true,
      output: result.output,
      timings: {
        onlineMicros: Number(onlineMicros),
        bindMicros: Number(bindMicros),
        offlineMicros: Number(offlineMicros),
        messages,
        bytesP1ToP0: Number(bytesP1ToP0),
        bytesP0ToP1: Number(bytesP0ToP1),
      },
      steps: readRunSteps(result.timings?.steps ?? []),
    };
  }
  const { code, reason, message, retryable, revealed } = result;
  const hint = retryable ? "The job is tried again." : "";
  return { ok: false, failure: { code, reason, message, hint }, retryable, revealed };
}
