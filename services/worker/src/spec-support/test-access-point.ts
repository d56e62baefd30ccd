import { createOneTimeToken, issueCertificate } from "@parley/agreement";
import { Code, ParleyError, enrolment, fleet } from "@parley/proto";
import {
  RpcServer,
  TrustStore,
  createLogger,
  implement,
  mutualServerCredentials,
  serverCredentials,
} from "@parley/service-kit";
import { freshFolder, type TestOrganisation } from "@parley/service-kit/testing";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { MessageQueue } from "@parley/service-kit";

type Body = NonNullable<fleet.AttachRequest["body"]>;
type Down = NonNullable<fleet.AttachResponse["body"]>;
type Asked = { [B in Body as B["$case"]]: B["value"] };

const silent = createLogger("access-point", "silent");

/** An access point as its workers see it: enrols them, records batches once, answers what they ask. */
export class TestAccessPoint {
  readonly asked: Body[] = [];
  readonly batches = new Set<string>();
  /** D by mask id, hex. */
  readonly masked = new Map<string, Buffer>();
  agreements: fleet.ActiveAgreement[] = [];
  weights: Buffer = Buffer.alloc(0);
  /** Called for each request of a worker before it is answered; what it throws is the answer. */
  onAsk: (body: Body) => Promise<void> | void = () => {};
  /** Called before D is sent to a worker; may wait. */
  beforeMasked: () => Promise<void> = async () => {};
  /** Control streams with the name of their worker. */
  readonly #streams = new Map<MessageQueue<fleet.AttachResponse>, string>();
  readonly #results = new Map<string, (result: fleet.RunResult) => void>();
  readonly #servers: RpcServer[] = [];
  #fleetAddress = "";
  #enrolAddress = "";

  private constructor(readonly organisation: TestOrganisation) {}

  static async start(organisation: TestOrganisation): Promise<TestAccessPoint> {
    const self = new TestAccessPoint(organisation);
    const own = await organisation.certificate("access-point");
    const trust = new TrustStore({ [organisation.id]: organisation.bundle });
    const serve = async (server: RpcServer) => {
      self.#servers.push(server);
      return `localhost:${await server.listen("127.0.0.1:0")}`;
    };
    const mutual = { credentials: mutualServerCredentials(own, trust), trust, logger: silent };
    self.#fleetAddress = await serve(new RpcServer({ ...mutual, bindings: [self.fleetBinding()] }));
    const first = { credentials: serverCredentials(own), logger: silent };
    self.#enrolAddress = await serve(new RpcServer({ ...first, bindings: [self.enrolmentBinding()] }));
    return self;
  }

  /** File with a one-time token for a worker. */
  tokenFile(): string {
    const caDer = this.organisation.authority.certificateDer;
    const path = join(freshFolder(), "token");
    writeFileSync(path, createOneTimeToken({ address: this.#enrolAddress, caDer, validSeconds: 60 }).token);
    return path;
  }

  /** Tells all workers. */
  push(body: Down): void {
    for (const stream of this.#streams.keys()) stream.push({ replyTo: 0n, body });
  }

  setAgreements(agreements: fleet.ActiveAgreement[]): void {
    this.agreements = agreements;
    this.push({ $case: "agreements", value: { agreements } });
  }

  /** Orders a run of one worker; resolves with what it reports. */
  run(order: fleet.RunOrder, worker: string): Promise<fleet.RunResult> {
    return new Promise((resolve, reject) => {
      const [stream] = [...this.#streams].find(([, name]) => name === worker) ?? [];
      if (!stream) return reject(new Error(`worker ${worker} is not attached`));
      this.#results.set(`${order.attemptId}/${order.run}`, resolve);
      stream.push({ replyTo: 0n, body: { $case: "run", value: order } });
    });
  }

  /** Breaks the workers' control streams; they attach again. */
  breakStreams(): void {
    for (const stream of this.#streams.keys()) stream.end();
  }

  /** What was asked of one kind so far. */
  of<K extends keyof Asked>(kind: K): Asked[K][] {
    return this.asked.filter(({ $case }) => $case === kind).map(({ value }) => value as Asked[K]);
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close(100)));
  }

  private enrolmentBinding() {
    return implement<enrolment.WorkerEnrolmentServiceServer>(
      enrolment.WorkerEnrolmentServiceService,
      { enrolWorker: async ({ csr }) => ({ ...(await this.certify(csr)), fleetAddress: this.#fleetAddress }) },
      { all: {} },
    );
  }

  private async certify(csr: Buffer) {
    const { id, authority, bundle } = this.organisation;
    const names = { org: id, role: "worker", dnsNames: ["localhost"] };
    const { der } = await issueCertificate(authority, { ...names, csrDer: csr, validHours: 1 });
    return {
      certificate: Buffer.from(der),
      bundle: bundle.map((b) => Buffer.from(b)),
      expires: new Date(Date.now() + 3_600_000),
    };
  }

  private fleetBinding() {
    const masked = this.masked;
    const weights = () => this.weights;
    const beforeMasked = () => this.beforeMasked();
    return implement<fleet.FleetServiceServer>(
      fleet.FleetServiceService,
      {
        attach: (requests, { signal }) => this.attach(requests, signal),
        renewCertificate: ({ csr }) => this.certify(csr),
        getWeights: async function* () {
          yield { chunk: weights() };
        },
        getMaskedWeights: async function* ({ maskId }) {
          await beforeMasked();
          const chunk = masked.get(maskId.toString("hex"));
          if (!chunk) throw new ParleyError(Code.NOT_FOUND, "NOT_FOUND", "no such mask");
          yield { chunk };
        },
        putMaskedWeights: async (requests) => {
          let id = "";
          const pieces: Buffer[] = [];
          for await (const { maskId, chunk } of requests) {
            id ||= maskId.toString("hex");
            pieces.push(chunk);
          }
          masked.set(id, Buffer.concat(pieces));
          return {};
        },
      },
      { all: { roles: ["worker"] } },
    );
  }

  private async *attach(requests: AsyncIterable<fleet.AttachRequest>, signal: AbortSignal) {
    const down = new MessageQueue<fleet.AttachResponse>();
    this.#streams.set(down, "");
    signal.addEventListener("abort", () => down.end());
    down.push({ replyTo: 0n, body: { $case: "agreements", value: { agreements: this.agreements } } });
    const follow = async () => {
      for await (const { requestId, body } of requests) if (body) void this.take(down, requestId, body);
    };
    void follow()
      .catch(() => {})
      .finally(() => down.end());
    try {
      yield* down;
    } finally {
      this.#streams.delete(down);
    }
  }

  private async take(down: MessageQueue<fleet.AttachResponse>, requestId: bigint, body: Body) {
    this.asked.push(body);
    if (body.$case === "hello") this.#streams.set(down, body.value.name);
    let value = { code: Code.OK, reason: "", message: "", hint: "" };
    try {
      await this.onAsk(body);
      this.record(body);
    } catch (error) {
      if (!(error instanceof ParleyError)) throw error;
      value = { code: error.code, reason: error.reason, message: error.message, hint: error.hint };
    }
    if (requestId > 0n) down.push({ replyTo: requestId, body: { $case: "reply", value } });
  }

  private record(body: Body) {
    const results = body.$case === "hello" ? body.value.finished : body.$case === "runResult" ? [body.value] : [];
    for (const result of results) this.#results.get(`${result.attemptId}/${result.run}`)?.(result);
    if (body.$case !== "recordBatch") return;
    const id = body.value.batchId.toString("hex");
    if (this.batches.has(id)) throw new ParleyError(Code.ALREADY_EXISTS, "BATCH_USED", "the batch was recorded before");
    this.batches.add(id);
  }
}
