import { createKeyAndCsr, fetchIssuerAuthority, parseOneTimeToken } from "@parley/agreement";
import { Code, ParleyError, enrolment, fleet, type ServiceClient } from "@parley/proto";
import { CertificateHolder, connect, pinnedChannelCredentials } from "@parley/service-kit";
import { X509Certificate } from "node:crypto";
import { MessageQueue } from "@parley/service-kit";

type Body = NonNullable<fleet.AttachRequest["body"]>;
const pem = (der: Uint8Array) => new X509Certificate(der).toString();

/** A worker's control side, driven by a test. */
export class FakeWorker {
  agreements: fleet.AgreementSet | undefined;
  target: fleet.StockTarget | undefined;
  readonly orders: fleet.RunOrder[] = [];
  readonly cancelled: string[] = [];
  /** Probes that it was asked for. */
  readonly probes: fleet.Probe[] = [];
  drained = false;
  ended = false;
  private requests = new MessageQueue<fleet.AttachRequest>();
  private readonly waiting = new Map<bigint, (reply: fleet.Reply) => void>();
  private number = 0n;

  private constructor(
    readonly client: ServiceClient<typeof fleet.FleetServiceService>,
    readonly name: string,
    /** Its certificate, DER. */
    readonly leaf: Buffer,
    readonly address: string,
  ) {}

  /** A process with a certificate that another one was given, and its key. */
  static with(
    address: string,
    { certificate, bundle }: { certificate: Buffer; bundle: Buffer[] },
    privateKeyPem: string,
    name: string,
  ): FakeWorker {
    const own = new CertificateHolder({ certificatePem: [certificate, ...bundle].map(pem).join(""), privateKeyPem });
    const org = /spiffe:\/\/([^/]+)\/worker/.exec(new X509Certificate(certificate).subjectAltName ?? "")![1];
    const server = { org, role: "access-point", bundle: () => bundle };
    return new FakeWorker(connect(fleet.FleetServiceService, { address, own, server }), name, own.leaf, address);
  }

  static async enrol(token: string, name: string): Promise<FakeWorker> {
    const parsed = parseOneTimeToken(token);
    const credentials = pinnedChannelCredentials(await fetchIssuerAuthority(parsed));
    const first = connect(enrolment.WorkerEnrolmentServiceService, { address: parsed.address, credentials });
    const { privateKeyPem, csrDer } = await createKeyAndCsr();
    try {
      const answer = await first.enrolWorker({ secret: parsed.secret, csr: Buffer.from(csrDer) });
      return FakeWorker.with(answer.fleetAddress, answer, privateKeyPem, name);
    } finally {
      first.close();
    }
  }

  attach(settings: { concurrency?: number; endpoint?: string; finished?: fleet.RunResult[] } = {}): this {
    this.requests = new MessageQueue();
    const { requests } = this;
    const { concurrency = 4, endpoint = "", finished = [] } = settings;
    requests.push({
      requestId: 0n,
      body: { $case: "hello", value: { name: this.name, endpoint, concurrency, finished } },
    });
    this.ended = false;
    void this.follow(requests).catch(() => {});
    return this;
  }

  /** Breaks the stream. */
  detach() {
    this.requests.end();
  }

  close() {
    this.detach();
    this.client.close();
  }

  /** Says something that wants no answer. */
  tell(body: Body) {
    this.requests.push({ requestId: 0n, body });
  }

  /** @throws ParleyError with the access point's refusal */
  async ask(body: Body): Promise<void> {
    const requestId = ++this.number;
    const reply = await new Promise<fleet.Reply>((resolve) => {
      this.waiting.set(requestId, resolve);
      this.requests.push({ requestId, body });
    });
    if (reply.code !== Code.OK) throw new ParleyError(reply.code, reply.reason, reply.message, reply.hint);
  }

  private async follow(requests: MessageQueue<fleet.AttachRequest>) {
    try {
      for await (const { replyTo, body } of this.client.attach(requests)) {
        if (body?.$case === "reply") this.waiting.get(replyTo)?.(body.value);
        else if (body?.$case === "agreements") this.agreements = body.value;
        else if (body?.$case === "target") this.target = body.value;
        else if (body?.$case === "run") this.orders.push(body.value);
        else if (body?.$case === "cancel") this.cancelled.push(body.value.attemptId);
        else if (body?.$case === "probe") this.probes.push(body.value);
        else if (body?.$case === "drain") this.drained = true;
      }
    } finally {
      this.ended = true;
    }
  }
}
