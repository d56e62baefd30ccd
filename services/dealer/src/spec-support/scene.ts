import {
  acceptAgreement,
  enrolmentProof,
  fetchIssuerAuthority,
  generateSigningKey,
  newId,
  offerAgreement,
  parseOneTimeToken,
  partyTerms,
  secretHashOf,
  type Terms,
} from "@parley/agreement";
import { encodePlan, planDigest, type Plan } from "@parley/plan";
import { dealer, enrolment, type ServiceClient } from "@parley/proto";
import { connect, createLogger, pinnedChannelCredentials, type Logger, type RunningService } from "@parley/service-kit";
import { testOrganisation, type TestDatabase, type TestOrganisation } from "@parley/service-kit/testing";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DealerContext } from "../app.module.js";
import { readConfig } from "../config.js";
import { startDealer } from "../service.js";

export type DealerClient = ServiceClient<typeof dealer.DealerServiceService>;

/** Two linear layers and a ReLU between them. */
export const plan: Plan = {
  format: "parley.plan.v1",
  layout: 1,
  input: { tensor: 0, schema: { lo: 0, hi: 1 } },
  tensors: [
    { shape: [4], scale: 16, modulus: 48 },
    { shape: [3], scale: 32, modulus: 48 },
    { shape: [3], scale: 16, modulus: 48 },
    { shape: [2], scale: 32, modulus: 48 },
  ],
  steps: [
    {
      op: "linear",
      name: "a",
      input: 0,
      output: 1,
      shape: { kind: "dense", inFeatures: 4, outFeatures: 3 },
      weightScale: 16,
      weightBits: 32,
      width: 48,
      bias: true,
    },
    { op: "relu", name: "r", gate: "table", input: 1, output: 2, width: 48, shift: 16, share: "offline" },
    {
      op: "linear",
      name: "b",
      input: 2,
      output: 3,
      shape: { kind: "dense", inFeatures: 3, outFeatures: 2 },
      weightScale: 16,
      weightBits: 32,
      width: 48,
      bias: true,
    },
  ],
  output: { tensor: 3, policy: { kind: "logits" }, width: 40, scale: 32, factor: 1, head: "none" },
  maxRecords: 128,
};
const commitment = Buffer.alloc(32, 9);

export type SigningKey = ReturnType<typeof generateSigningKey>;

/** An organisation as it enrols. */
interface Member {
  readonly test: TestOrganisation;
  key: SigningKey;
}

export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of stream) all.push(message);
  return all;
}

/** A dealer's operator with organisations, and any number of replicas of its dealer on one database. */
export class DealerScene {
  readonly #members = new Map<string, Member>();
  readonly #closing: { close(): unknown }[] = [];

  private constructor(
    readonly target: TestDatabase,
    readonly operator: TestOrganisation,
    private readonly environment: Readonly<Record<string, string>>,
  ) {}

  static async make(target: TestDatabase, organisations = ["clinic-a", "clinic-b"]): Promise<DealerScene> {
    const operator = await testOrganisation("dealer");
    const { certificatePem, privateKeyPem } = (await operator.certificate("dealer")).current;
    const file = (name: string, text: string) => {
      const path = join(target.dataDir, name);
      writeFileSync(path, text);
      return path;
    };
    const scene = new DealerScene(target, operator, {
      PARLEY_LISTEN: "127.0.0.1:0",
      PARLEY_ENROL_LISTEN: "127.0.0.1:0",
      PARLEY_HEALTH_LISTEN: "127.0.0.1:0",
      PARLEY_DATA_DIR: target.dataDir,
      ...(target.url && { DATABASE_URL: target.url }),
      PARLEY_TLS_CERT: file("cert.pem", certificatePem),
      PARLEY_TLS_KEY: file("key.pem", privateKeyPem),
      PARLEY_TLS_CA: file("ca.pem", operator.authority.certificatePem),
    });
    for (const id of organisations) await scene.add(id);
    return scene;
  }

  /** One more organisation, which has not enrolled. */
  async add(id: string): Promise<void> {
    this.#members.set(id, { test: await testOrganisation(id), key: generateSigningKey() });
  }

  member(id: string): Member {
    const member = this.#members.get(id);
    if (!member) throw new Error(`no organisation ${id}`);
    return member;
  }

  /** Starts a replica; whatever it is not told is as for the others. */
  async start(changes: Record<string, string> = {}, logger: Logger = createLogger("dealer", "silent")) {
    const service = await startDealer(readConfig({ ...this.environment, ...changes }), logger);
    this.#closing.push(service);
    return service;
  }

  /** A key-encryption key in a file. @returns its path */
  keyFile(name: string, byte: number): string {
    const path = join(this.target.dataDir, name);
    writeFileSync(path, Buffer.alloc(32, byte));
    return path;
  }

  async as(service: RunningService, org: string, role: string): Promise<DealerClient> {
    const own = await (org === "dealer" ? this.operator : this.member(org).test).certificate(role);
    const server = { org: "dealer", role: "dealer", bundle: () => this.operator.bundle };
    const client = connect(dealer.DealerServiceService, { address: service.addresses.mtls, own, server });
    this.#closing.push(client);
    return client;
  }

  /** With a new one-time token, under the key that the organisation has now. */
  async enrol(service: RunningService, id: string): Promise<enrolment.EnrolResponse> {
    const operator = await this.as(service, "dealer", "operator");
    const { token } = await operator.createEnrolmentToken({ organisationId: id, validSeconds: 60 });
    const parsed = parseOneTimeToken(token);
    const credentials = pinnedChannelCredentials(await fetchIssuerAuthority(parsed));
    const first = connect(enrolment.EnrolmentServiceService, { address: parsed.address, credentials });
    const { test, key } = this.member(id);
    const organisation = {
      id,
      bundle: test.bundle.map((der) => Buffer.from(der)),
      signingKey: Buffer.from(key.publicKey),
      workerEndpoints: [],
      fingerprint: "",
      revoked: false,
    };
    const proof = Buffer.from(enrolmentProof(key.privateKeyPem, secretHashOf(parsed.secret), id));
    return first.enrol({ secret: parsed.secret, organisation, proof }).finally(() => first.close());
  }

  async enrolAll(service: RunningService): Promise<enrolment.EnrolResponse[]> {
    const answers: enrolment.EnrolResponse[] = [];
    for (const id of this.#members.keys()) answers.push(await this.enrol(service, id));
    return answers;
  }

  party(org: string) {
    const { test, key } = this.member(org);
    return partyTerms({ org, signingKey: key.publicKey, bundle: test.bundle });
  }

  /** Of a new agreement on clinic-a's model with clinic-b. */
  terms(service: RunningService, changes: Partial<Terms> = {}): Terms {
    const { issuer } = service.app.get(DealerContext);
    return {
      format: "parley.agreement.v1",
      id: newId("agr"),
      operation: "predict",
      purpose: "test",
      asset: {
        id: newId("mdl"),
        name: "m",
        version: 1,
        commitment: commitment.toString("hex"),
        planDigest: Buffer.from(planDigest(plan)).toString("hex"),
      },
      modelOwner: this.party("clinic-a"),
      dataOwner: this.party("clinic-b"),
      dealer: partyTerms({ org: "dealer", signingKey: issuer.signingKey, bundle: issuer.bundle }),
      records: 1000,
      notBefore: new Date(Date.now() - 1000).toISOString(),
      expires: new Date(Date.now() + 3_600_000).toISOString(),
      output: { kind: "logits" },
      maxPrepared: 4,
      perLayerWidths: true,
      ...changes,
    };
  }

  signer(org: string) {
    return { org, privateKey: this.member(org).key.privateKeyPem };
  }

  signed(terms: Terms): string {
    return acceptAgreement(offerAgreement(terms, this.signer("clinic-a")), this.signer("clinic-b"));
  }

  /** A mask, under a new agreement where none is given. @returns its id and U */
  async openMask(
    service: RunningService,
    changes: Partial<dealer.OpenMaskRequest> = {},
    org = "clinic-a",
  ): Promise<{ id: Buffer; u: Buffer }> {
    const agreement = changes.agreement ?? this.signed(this.terms(service));
    const client = await this.as(service, org, "access-point");
    const request = { plan: Buffer.from(encodePlan(plan)), commitment, ...changes, agreement };
    const messages = await collect(client.openMask(request));
    return { id: messages[0].maskId, u: Buffer.concat(messages.map(({ chunk }) => chunk)) };
  }

  async close(): Promise<void> {
    for (const one of this.#closing.reverse()) await one.close();
  }
}
