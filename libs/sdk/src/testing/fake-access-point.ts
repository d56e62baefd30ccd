import {
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
} from "@grpc/grpc-js";
import { createAuthority, issueCertificate } from "@parley/agreement";
import { Code, member, ParleyError, probe, toServiceError, type common } from "@parley/proto";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import type { Profile } from "../profile.js";
import { fakeAgreements } from "./fake-agreements.js";
import { fakeAssets } from "./fake-assets.js";
import { FakeJobs } from "./fake-jobs.js";
import { fakeOrganisations } from "./fake-organisations.js";

type Handler = (request: never) => unknown;
const API_KEY = "key-of-the-tests-0123456789";

/** An access point's member service over real TLS, with answers that a test can bend. It computes nothing private. */
export class FakeAccessPoint {
  /** Error with which an rpc is refused, by its name, e.g. "submitJob". */
  readonly refuse = new Map<string, ParleyError>();
  /** Names of the rpcs that were called, in order. */
  readonly calls: string[] = [];
  readonly jobs = new FakeJobs();
  /** What it says of its connections. */
  findings: common.Finding[] = [];
  /** Roles of whoever calls. */
  roles = ["scientist"];
  /** Operators at which it is enrolled. */
  enrolledAt = ["router", "dealer"];
  readonly assets: ReturnType<typeof fakeAssets> = fakeAssets();
  readonly agreements: ReturnType<typeof fakeAgreements> = fakeAgreements();
  private readonly organisations = fakeOrganisations();
  private server: Server | undefined;
  private port = 0;

  private constructor(
    private readonly ca: string,
    private readonly certificate: string,
    private readonly key: string,
  ) {}

  static async start(): Promise<FakeAccessPoint> {
    const authority = await createAuthority({ org: "clinic-b" });
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const names = { org: "clinic-b", role: "access-point", dnsNames: ["localhost"], validHours: 1 };
    const { pem } = await issueCertificate(authority, { ...names, publicKey: createPublicKey(privateKey) });
    const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const fake = new FakeAccessPoint(authority.certificatePem, pem, key);
    await fake.resume();
    return fake;
  }

  get profile(): Profile {
    return { address: `localhost:${this.port}`, ca: this.ca, apiKey: API_KEY };
  }

  /** Listens, again at the same address after `stop`; all state is kept. */
  async resume(): Promise<void> {
    const server = new Server({ "grpc.max_receive_message_length": 4 << 20 });
    server.addService(member.MemberServiceService, {
      ...this.unary({
        ...this.organisations,
        whoAmI: () => ({ ...this.organisations.whoAmI(), roles: this.roles, enrolledAt: this.enrolledAt }),
        ...this.assets.unary,
        ...this.agreements.unary,
        ...this.jobs.unary,
      }),
      ...this.uploads({ publishAsset: this.assets.publish, submitJob: this.jobs.submit }),
      ...this.exchanges({ runJob: this.jobs.run }),
      ...this.downloads({
        watchJob: this.jobs.watch,
        getResult: this.jobs.result,
        checkConnections: () => this.check(),
      }),
    });
    server.addService(probe.ProbeServiceService, this.unary({ echo }));
    const pair = { cert_chain: Buffer.from(this.certificate), private_key: Buffer.from(this.key) };
    this.port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(`localhost:${this.port}`, ServerCredentials.createSsl(null, [pair]), (error, port) =>
        error ? reject(error) : resolve(port),
      ),
    );
    this.server = server;
  }

  /** Ends at once, in the middle of streams, as a process that is killed. */
  stop(): void {
    this.server?.forceShutdown();
  }

  private async *check(): AsyncGenerator<member.CheckConnectionsResponse> {
    for (const finding of this.findings) yield await Promise.resolve({ findings: [finding] });
  }

  private enter(name: string, call: { metadata: { get(key: string): unknown[] } }) {
    this.calls.push(name);
    if (call.metadata.get("authorization")[0] !== `Bearer ${API_KEY}`)
      throw new ParleyError(Code.UNAUTHENTICATED, "API_KEY", "the API key is not known", "Use parley login.");
    const refused = this.refuse.get(name);
    if (refused) throw refused;
  }

  private unary(handlers: Readonly<Record<string, Handler>>) {
    return byName(
      handlers,
      (name, handler) => (call: ServerUnaryCall<unknown, unknown>, done: sendUnaryData<unknown>) => {
        try {
          this.enter(name, call);
          done(null, handler(call.request as never));
        } catch (error) {
          done(toServiceError(error));
        }
      },
    );
  }

  private uploads(handlers: Readonly<Record<string, Handler>>) {
    return byName(
      handlers,
      (name, handler) => async (call: ServerReadableStream<unknown, unknown>, done: sendUnaryData<unknown>) => {
        const messages: unknown[] = [];
        try {
          this.enter(name, call);
          for await (const message of call) messages.push(message);
          done(null, handler(messages as never));
        } catch (error) {
          done(toServiceError(error));
        }
      },
    );
  }

  /** Everything up, then everything down. */
  private exchanges(
    handlers: Readonly<Record<string, (messages: never, signal: AbortSignal) => AsyncIterable<unknown>>>,
  ) {
    return byName(handlers, (name, handler) => async (call: ServerDuplexStream<unknown, unknown>) => {
      const ended = new AbortController();
      call.on("cancelled", () => ended.abort());
      const messages: unknown[] = [];
      try {
        this.enter(name, call);
        for await (const message of call) messages.push(message);
        for await (const message of handler(messages as never, ended.signal)) call.write(message);
        call.end();
      } catch (error) {
        call.emit("error", toServiceError(error));
      }
    });
  }

  private downloads(
    handlers: Readonly<Record<string, (request: never, signal: AbortSignal) => AsyncIterable<unknown>>>,
  ) {
    return byName(handlers, (name, handler) => async (call: ServerWritableStream<unknown, unknown>) => {
      const ended = new AbortController();
      call.on("cancelled", () => ended.abort());
      try {
        this.enter(name, call);
        for await (const message of handler(call.request as never, ended.signal)) call.write(message);
        call.end();
      } catch (error) {
        call.emit("error", toServiceError(error));
      }
    });
  }
}

const echo = ({ answerBytes }: probe.EchoRequest): probe.EchoResponse => ({
  padding: Buffer.alloc(answerBytes),
  version: "0.1.0",
  time: new Date(),
});

const byName = <H, R>(handlers: Readonly<Record<string, H>>, wrap: (name: string, handler: H) => R) =>
  Object.fromEntries(Object.entries(handlers).map(([name, handler]) => [name, wrap(name, handler)]));
