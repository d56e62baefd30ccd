import { schedule } from "@parley/plan";
import { ServerSession } from "@parley/protocol";
import { Code, ParleyError } from "@parley/proto";
import { continueTrace, traceparentOf, withTrace, type Logger, type Peer } from "@parley/service-kit";
import { verifyLeaf } from "@parley/agreement";
import type { DealerLink } from "../dealing/dealer-link.js";
import type { FleetLink } from "../fleet/fleet-link.js";
import type { WorkingAgreement } from "../models/agreement.js";
import type { AgreementSet } from "../models/agreement-set.js";
import type { Operands } from "../models/operands.js";
import { encodeResponse, type RequestControl } from "../peer/frame-codec.js";
import { GrpcChannel, type FrameSink } from "../peer/grpc-channel.js";
import type { Poller } from "../peer/poller.js";
import { fleet } from "@parley/proto";
import { sessionFailure } from "./failure.js";
import { compareHellos, helloDigest, makeHello } from "./hello.js";
import { Inbox } from "./inbox.js";
import { within } from "./within.js";

export interface PartyDependencies {
  readonly agreements: AgreementSet;
  readonly operands: Operands;
  readonly dealers: DealerLink;
  readonly fleet: FleetLink;
  readonly poller: Poller;
  readonly logger: Logger;
  /** SHA-256 of the own leaf certificate. */
  readonly certificate: () => Buffer;
  readonly timeoutMs: number;
  readonly idleMs: number;
}

const refused = (message: string, hint: string) =>
  new ParleyError(Code.FAILED_PRECONDITION, "NO_AGREEMENT", message, hint);

let sessions = 0n;

/**
 * P0's side of one session: Hello, batch, offline shares, ready, bind, run. Whatever ends it, its batch is dead.
 * Order matters: the batch is recorded by the own access point before its part is fetched, the run before it is bound.
 */
export class ServerParty {
  readonly #inbox = new Inbox<RequestControl>();
  #channel: GrpcChannel | undefined;
  #session: ServerSession | undefined;
  #agreement: WorkingAgreement | undefined;

  constructor(
    private readonly d: PartyDependencies,
    private readonly sink: FrameSink,
    private readonly peer: Peer,
  ) {}

  /** Organisation of the peer's certificate. */
  get org(): string {
    return this.peer.org;
  }

  /** True while a ticket is bound: the run must be let finish. */
  bound = false;

  /** Of the agreement under which the session runs, once known. */
  get agreementId(): string | undefined {
    return this.#agreement?.id;
  }

  /** A message from the stream. @throws where it is out of order: the caller ends the session */
  take(message: { frame: Buffer } | { control: RequestControl }): void {
    if ("control" in message) return this.#inbox.put(message.control);
    if (!this.#channel) throw new RangeError("a share came before the Hello");
    this.#channel.accept(message.frame);
  }

  /** The stream has ended, or must end. */
  end(error: Error): void {
    this.#inbox.fail(error);
    this.#channel?.ended(error);
    this.#session?.destroy();
  }

  /** Runs the session to its end. @throws ParleyError */
  async serve(): Promise<void> {
    const { d } = this;
    const theirs = (await this.#inbox.next("hello", d.timeoutMs)).value;
    return withTrace(continueTrace(theirs.traceparent), async () => {
      const agreement = this.admit(theirs.agreementDigest);
      const { mask } = agreement;
      if (!mask) throw refused("the model's mask is not ready yet", "Try again in a moment.");
      const messages = checkedSchedule(agreement, theirs.records);
      const number = ++sessions;
      await d.fleet.ask({ $case: "openSession", value: { agreementDigest: agreement.digest, session: number } });
      try {
        const traceparent = traceparentOf(continueTrace(theirs.traceparent));
        const own = makeHello({
          agreement,
          party: 0,
          certificate0: d.certificate(),
          certificate1: this.peer.thumbprint,
          records: theirs.records,
          schedule: messages,
          traceparent,
        });
        this.#channel = new GrpcChannel(this.sink, incomingOf(messages, 1), d.poller);
        compareHellos(own, theirs);
        this.sink.write(encodeResponse({ $case: "hello", value: own }));
        await this.prepare(agreement, mask.id, theirs.records);
        await this.bindAndRun(agreement, helloDigest(theirs, own), theirs.records);
      } finally {
        this.#session?.destroy();
        d.fleet.tell({ $case: "closeSession", value: { session: number } });
      }
    });
  }

  #batchId: Buffer = Buffer.alloc(0);

  /** The agreement of the peer's Hello, under which its certificate must be good. */
  private admit(digest: Buffer): WorkingAgreement {
    const agreement = this.d.agreements.get(digest.toString("hex"));
    if (!agreement || agreement.party !== 0)
      throw refused(
        "there is no active agreement with that digest here",
        "Offer and accept one, or wait until both access points know it.",
      );
    if (!this.isWorkerOf(agreement)) {
      const { org, role } = this.peer;
      throw new ParleyError(
        Code.PERMISSION_DENIED,
        "PEER_REFUSED",
        `${org}/${role} with that certificate is not a worker of the agreement's data owner`,
        "Use the data owner's own workers, under an authority that the agreement pins.",
      );
    }
    this.#agreement = agreement;
    return agreement;
  }

  private isWorkerOf({ partner }: WorkingAgreement): boolean {
    try {
      const { org, role } = verifyLeaf(this.peer.certificate, partner.bundle);
      return org === partner.org && role === "worker";
    } catch {
      return false; // of another authority than the agreement pins
    }
  }

  private async prepare(agreement: WorkingAgreement, maskId: Buffer, records: number) {
    const { d } = this;
    const { batchId, fingerprint } = (await this.#inbox.next("batch", d.timeoutMs)).value;
    this.#batchId = Buffer.from(batchId);
    await d.fleet.ask({
      $case: "recordBatch",
      value: { batchId, agreementDigest: agreement.digest, records, party: fleet.Party.PARTY_SERVER, traceparent: "" },
    });
    const weights = await d.operands.weights(agreement); // first: a part that was fetched must reach a session
    const part = await d.dealers.fetchPart(agreement, maskId, batchId, records);
    if (!part.fingerprint.equals(fingerprint)) {
      part.correlations.close();
      throw new ParleyError(
        Code.ABORTED,
        "BATCH_DIFFERS",
        "the two parts are not of one batch",
        "Retried with a new batch.",
      );
    }
    if (!this.#channel) throw new Error("the channel is made at the Hello");
    this.#session = new ServerSession({
      plan: agreement.plan,
      records,
      weights,
      correlations: part.correlations,
      channel: this.#channel,
    });
    await within(this.#session.prepare(), 4 * d.timeoutMs, () => this.#session?.destroy());
    this.sink.write(encodeResponse({ $case: "ready", value: { fingerprint: part.fingerprint } }));
  }

  private async bindAndRun(agreement: WorkingAgreement, hellos: Buffer, records: number) {
    const { d } = this;
    const session = this.#session;
    const channel = this.#channel;
    if (!session || !channel) throw new Error("the session is prepared before it is bound");
    const bind = (await this.#inbox.next("bind", d.idleMs)).value;
    if (!bind.helloDigest.equals(hellos))
      throw new ParleyError(
        Code.FAILED_PRECONDITION,
        "HELLO_DIFFERS",
        "the bind is for another session",
        "Retried with a new batch.",
        { field: "helloDigest" },
      );
    this.requireActive(agreement);
    const { ticket, jobId, attemptId, run, traceparent } = bind;
    await d.fleet.ask({
      $case: "bindRun",
      value: {
        ticket,
        agreementDigest: agreement.digest,
        batchId: this.#batchId,
        jobId,
        attemptId,
        run,
        records,
        peerCertificate: this.peer.thumbprint,
        traceparent,
      },
    });
    this.bound = true;
    const before = { ...channel.counters };
    const timer = setTimeout(
      () => session.destroy(),
      d.timeoutMs + schedule(agreement.plan, records).messages.length * 1000,
    );
    d.poller.start();
    try {
      const done = session.run(() => this.requireActive(agreement));
      this.sink.write(encodeResponse({ $case: "bound", value: {} }));
      await done;
    } finally {
      clearTimeout(timer);
      d.poller.stop();
      const { receivedBytes, sentBytes } = channel.counters;
      const value = {
        attemptId,
        run,
        revealed: session.revealed,
        bytesReceived: BigInt(receivedBytes - before.receivedBytes),
        bytesSent: BigInt(sentBytes - before.sentBytes),
        batchId: this.#batchId,
      };
      this.bound = false;
      d.fleet
        .askSurely({ $case: "runEnded", value })
        .catch((error: unknown) =>
          d.logger.warn(
            { reason: sessionFailure(error).reason, attemptId },
            "the end of a run was not recorded; its quota stays used",
          ),
        );
    }
  }

  private requireActive(agreement: WorkingAgreement) {
    const now = this.d.agreements.get(agreement.id);
    if (!now?.mask || !agreement.mask || !now.mask.id.equals(agreement.mask.id))
      throw new ParleyError(
        Code.FAILED_PRECONDITION,
        "AGREEMENT_ENDED",
        "the agreement was revoked or has expired",
        "Make a new agreement.",
      );
  }
}

/** The schedule for a number of records that the plan allows. */
export function checkedSchedule(agreement: WorkingAgreement, records: number) {
  const { plan } = agreement;
  if (records < 1 || records > plan.maxRecords || (records & (records - 1)) !== 0)
    throw new ParleyError(
      Code.FAILED_PRECONDITION,
      "HELLO_DIFFERS",
      `a run of ${records} records is not allowed: powers of two up to ${plan.maxRecords} are`,
      "Cut the job into runs as its ticket says.",
      { field: "records" },
    );
  return schedule(plan, records);
}

/** Steps that come from a party, with their length on the wire. */
export const incomingOf = ({ messages }: ReturnType<typeof schedule>, from: 0 | 1) =>
  messages.filter((m) => m.from === from).map(({ step, bytes, trailer }) => ({ step, bytes: bytes + trailer }));
