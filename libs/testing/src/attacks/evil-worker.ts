import { parsePlan, planDigest, schedule } from "@parley/plan";
import { createClient, fromServiceError, peer, fleet, type ServiceClient, type dealer } from "@parley/proto";
import { connect, mutualChannelCredentials, thumbprintOf, type CertificateHolder } from "@parley/service-kit";
import { createHash, randomBytes } from "node:crypto";
import type { Running } from "../e2e/fixture.js";
import type { Organisation } from "../system/index.js";
import { authorityOf, certificateOf, dealerClient } from "./intruder.js";

type DealerClient = ServiceClient<typeof dealer.DealerServiceService>;
type Ask = Exclude<NonNullable<fleet.AttachRequest["body"]>, { $case: "hello" }>;

/** A stolen worker of an organisation: it has a certificate of its authority, and follows no rule. */
export class EvilWorker {
  #agreements: fleet.AgreementSet | undefined;
  #number = 0n;
  readonly #replies = new Map<bigint, (reply: fleet.Reply) => void>();
  #send: (message: fleet.AttachRequest) => void = () => {};
  #end: () => void = () => {};

  private constructor(
    readonly own: CertificateHolder,
    readonly dealer: DealerClient,
  ) {}

  /** Attaches to the organisation's access point. A second stream under its name, which ends at once, drains it: it is given no runs. */
  static async of(running: Running, organisation: Organisation): Promise<EvilWorker> {
    const authority = authorityOf(organisation);
    const own = await certificateOf(authority, "worker");
    const worker = new EvilWorker(own, dealerClient(running, own));
    const port = organisation.accessPointEnv.PARLEY_LISTEN.split(":").at(-1) ?? "";
    const client = connect(fleet.FleetServiceService, {
      address: `localhost:${port}`,
      own,
      server: { org: organisation.id, role: "access-point", bundle: () => [authority.certificateDer] },
    });
    const name = `evil-${randomBytes(4).toString("hex")}`;
    const hello: fleet.AttachRequest = {
      requestId: 0n,
      body: { $case: "hello", value: { name, endpoint: "", concurrency: 1, finished: [] } },
    };
    const waiting = [hello];
    let wake = () => {};
    let over = false;
    worker.#send = (message) => (waiting.push(message), wake());
    worker.#end = () => ((over = true), wake(), client.close());
    const outgoing = (async function* () {
      while (!over) {
        const next = waiting.shift();
        if (next) yield next;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    })();
    await new Promise<void>((resolve, reject) => {
      const follow = async () => {
        for await (const { replyTo, body } of client.attach(outgoing)) {
          if (body?.$case === "reply") worker.#replies.get(replyTo)?.(body.value);
          if (body?.$case === "agreements") resolve(void (worker.#agreements = body.value));
        }
      };
      follow().catch(reject);
    });
    const second = new AbortController();
    const once = (async function* () {
      yield hello;
      await new Promise((resolve) => second.signal.addEventListener("abort", resolve));
    })();
    for await (const _ of client.attach(once, { signal: second.signal })) break;
    second.abort();
    return worker;
  }

  /** The agreement in force. */
  get agreement(): fleet.ActiveAgreement {
    const [agreement] = this.#agreements?.agreements ?? [];
    if (!agreement) throw new Error("the access point told of no agreement");
    return agreement;
  }

  /** Asks the access point. Returns the reason of its refusal, or "". */
  ask(body: Ask): Promise<string> {
    const requestId = ++this.#number;
    return new Promise((resolve) => {
      this.#replies.set(requestId, ({ code, reason }) => resolve(code === 0 ? "" : reason));
      this.#send({ requestId, body });
    });
  }

  recordBatch(batchId: Buffer, party: fleet.Party): Promise<string> {
    const { digest } = this.agreement;
    return this.ask({
      $case: "recordBatch",
      value: { batchId, agreementDigest: digest, records: 1, party, traceparent: "" },
    });
  }

  /** P1's side of a session with a worker of the model owner until it has named a batch. Ends with the peer's refusal, or when `enough` holds. */
  async nameBatch(
    address: string,
    partner: Organisation,
    batch: (maskId: Buffer) => Promise<{ id: Buffer; fingerprint: Buffer }>,
    enough: () => Promise<boolean> = async () => false,
  ): Promise<string> {
    const { agreement } = this;
    const plan = parsePlan(JSON.parse(agreement.plan.toString("utf8")));
    let leafSeen: (der: Buffer) => void;
    const leaf = new Promise<Buffer>((resolve) => (leafSeen = resolve));
    const bundle = [authorityOf(partner).certificateDer];
    const client = createClient(peer.PeerServiceService, {
      address,
      credentials: mutualChannelCredentials(this.own, {
        org: partner.id,
        role: "worker",
        bundle: () => bundle,
        onLeaf: (der) => leafSeen(der),
      }),
    });
    const own = this.own;
    let masked: (maskId: Buffer) => void;
    const mask = new Promise<Buffer>((resolve) => (masked = resolve));
    const abort = new AbortController();
    const requests = (async function* (): AsyncGenerator<peer.SessionRequest> {
      const hello: peer.Hello = {
        version: 1,
        party: 1,
        nonce: randomBytes(16),
        certificate0: thumbprintOf(await leaf),
        certificate1: thumbprintOf(own.leaf),
        agreementDigest: agreement.digest,
        maskId: Buffer.alloc(0),
        maskNonce: Buffer.alloc(0),
        maskedWeightsDigest: Buffer.alloc(0),
        planDigest: Buffer.from(planDigest(plan)),
        records: 1,
        scheduleDigest: scheduleDigest(plan),
        traceparent: "",
      };
      yield { body: { $case: "hello", value: hello } };
      const { id, fingerprint } = await batch(await mask);
      yield { body: { $case: "batch", value: { batchId: id, fingerprint, traceparent: "" } } };
      for (let i = 0; i < 100 && !(await enough()); i++) await new Promise((resolve) => setTimeout(resolve, 100));
      abort.abort();
    })();
    try {
      for await (const { body } of client.session(requests, { signal: abort.signal }))
        if (body?.$case === "hello") masked!(body.value.maskId);
        else return `the peer went on with ${body?.$case}`;
      return "the peer ended the session";
    } catch (error) {
      return fromServiceError(error).reason;
    } finally {
      client.close();
    }
  }

  close(): void {
    this.#end();
    this.dealer.close();
  }
}

function scheduleDigest(plan: ReturnType<typeof parsePlan>): Buffer {
  const hash = createHash("sha256").update("parley/v1/schedule");
  for (const { step, phase, from, bytes, trailer } of schedule(plan, 1).messages)
    hash.update(`${step} ${phase} ${from} ${bytes} ${trailer}\n`);
  return hash.digest();
}
