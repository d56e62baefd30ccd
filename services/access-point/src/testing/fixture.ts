import { credentials } from "@grpc/grpc-js";
import { createClient, member, type ServiceClient } from "@parley/proto";
import { createLogger, type Logger, type RunningService } from "@parley/service-kit";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../config.js";
import { startAccessPoint } from "../start.js";
import { FakeDealer } from "./fake-dealer.js";
import { FakeRouter } from "./fake-router.js";
import { FakeWorker } from "./fake-worker.js";

export type MemberClient = ServiceClient<typeof member.MemberServiceService>;
export const MODEL = readFileSync(new URL("../../../../examples/mnist/a.onnx", import.meta.url));

/** A running access point of a test. */
export class TestAccessPoint {
  service!: RunningService;
  member!: MemberClient;
  apiKey = "";
  readonly folder: string;

  constructor(
    readonly id: string,
    private readonly logger: Logger,
    private readonly more: Readonly<Record<string, string>> = {},
  ) {
    this.folder = mkdtempSync(join(tmpdir(), `parley-${id}-`));
  }

  /** Starts, on the ports it had before. */
  async start(): Promise<this> {
    const before = this.service?.addresses;
    const listen = (kind: string) => `127.0.0.1:${before?.[kind].split(":").at(-1) ?? 0}`;
    const config = readConfig({
      PARLEY_ORG: this.id,
      PARLEY_DATA_DIR: this.folder,
      PARLEY_LISTEN: listen("mtls"),
      PARLEY_ENROL_LISTEN: listen("enrol"),
      PARLEY_HEALTH_LISTEN: listen("health"),
      ...this.more,
    });
    this.service = await startAccessPoint(config, this.logger);
    this.apiKey = readFileSync(this.more.PARLEY_ADMIN_KEY_FILE ?? join(this.folder, "admin-key"), "utf8").trim();
    this.member = this.as(this.apiKey);
    return this;
  }

  as(apiKey: string): MemberClient {
    return createClient(member.MemberServiceService, {
      address: this.service.addresses.enrol,
      credentials: credentials.createSsl(readFileSync(join(this.folder, "ca.pem"))),
      metadata: () => ({ authorization: `Bearer ${apiKey}` }),
    });
  }

  async stop() {
    this.member.close();
    await this.service.close();
  }

  async worker(name: string): Promise<FakeWorker> {
    const { token } = await this.member.createWorkerToken({ validSeconds: 60, reusable: false });
    return FakeWorker.enrol(token, name);
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Two access points, a router and a dealer that tests can bend, all over real sockets. */
export class Fixture {
  readonly logger = createLogger("test", process.env.PARLEY_LOG_LEVEL ?? "silent");
  readonly a = new TestAccessPoint("clinic-a", this.logger);
  readonly b = new TestAccessPoint("clinic-b", this.logger);
  router!: FakeRouter;
  dealer!: FakeDealer;

  static async start(): Promise<Fixture> {
    const fixture = new Fixture();
    fixture.router = await FakeRouter.start(fixture.logger);
    fixture.dealer = await FakeDealer.start(fixture.logger);
    await Promise.all([fixture.a.start(), fixture.b.start()]);
    return fixture;
  }

  async close() {
    await Promise.all([this.a.stop(), this.b.stop()]);
    await Promise.all([this.router.close(), this.dealer.close()]);
    this.a.remove();
    this.b.remove();
  }

  async enrol(one: TestAccessPoint) {
    const { OPERATOR_ROUTER, OPERATOR_DEALER } = member.Operator;
    await one.member.enrolOrganisation({ token: this.router.enrolmentToken(one.id), operator: OPERATOR_ROUTER });
    await one.member.enrolOrganisation({ token: this.dealer.enrolmentToken(), operator: OPERATOR_DEALER });
  }

  /** What two administrators do on the telephone. */
  async trust(one: TestAccessPoint, other: TestAccessPoint) {
    const { organisation } = await other.member.getOrganisation({ organisationId: "" });
    await one.member.trustOrganisation({ organisationId: other.id, fingerprint: organisation!.fingerprint });
    const dealer = await one.member.getOrganisation({ organisationId: "dealer" });
    await one.member.trustOrganisation({ organisationId: "dealer", fingerprint: dealer.organisation!.fingerprint });
  }

  async enrolAndTrust() {
    await this.enrol(this.a);
    await this.enrol(this.b);
    await this.trust(this.a, this.b);
    await this.trust(this.b, this.a);
  }

  /** A's model, published. */
  publish(name = "digits", schema = '{"lo":0,"hi":1}') {
    return publish(this.a.member, MODEL, name, schema);
  }

  /** An agreement on it, signed by both. */
  async agree(assetId: string, records = 100n): Promise<string> {
    const offer = {
      assetId,
      organisationId: "clinic-b",
      records,
      expires: new Date(Date.now() + 3_600_000),
      output: "logits",
      purpose: "",
      maxPrepared: 0,
    };
    const { agreement } = await this.a.member.offerAgreement(offer);
    await this.b.member.acceptAgreement({ agreementId: agreement!.id });
    await until(async () => (await this.a.member.getAgreement({ agreementId: agreement!.id })).ready);
    return agreement!.id;
  }
}

export function publish(client: MemberClient, model: Buffer, name: string, inputSchema: string, uniformWidth = false) {
  const header = { name, description: "", inputSchema, visibility: 1, labels: "", uniformWidth };
  return client.publishAsset([
    { body: { $case: "header", value: header } },
    { body: { $case: "chunk", value: model.subarray(0, 1000) } },
    { body: { $case: "chunk", value: model.subarray(1000) } },
  ]);
}

export interface Submission {
  readonly assetId: string;
  readonly values: Float64Array;
  readonly shape?: number[];
  readonly agreementId?: string;
  readonly jobId?: string;
}

export async function submit(
  client: MemberClient,
  { assetId, values, shape, agreementId = "", jobId = "" }: Submission,
) {
  const header = {
    name: "test",
    operation: "predict",
    assetId,
    agreementId,
    security: "smpc",
    shape: shape ?? [values.length / 784, 784],
    jobId,
  };
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const { job } = await client.submitJob([
    { body: { $case: "header", value: header } },
    { body: { $case: "chunk", value: bytes } },
  ]);
  return job!;
}

/** Polls until true; the test's own time limit ends it. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 15_000): Promise<void> {
  for (const end = Date.now() + ms; !(await condition()); await new Promise((resolve) => setTimeout(resolve, 20)))
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${condition.toString()}`);
}
