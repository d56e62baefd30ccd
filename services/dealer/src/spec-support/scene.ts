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

/** One linear layer: enough for masks and batches. */
const plan: Plan = {
  format: "parley.plan.v1",
  layout: 1,
  input: { tensor: 0, schema: { lo: 0, hi: 1 } },
  tensors: [
    { shape: [4], scale: 16, modulus: 48 },
    { shape: [2], scale: 32, modulus: 48 },
  ],
  steps: [
    {
      op: "linear",
      name: "a",
      input: 0,
      output: 1,
      shape: { kind: "dense", inFeatures: 4, outFeatures: 2 },
      weightScale: 16,
      weightBits: 32,
      width: 48,
      bias: true,
    },
  ],
  output: { tensor: 1, policy: { kind: "logits" }, width: 40, scale: 32, factor: 1, head: "none" },
  maxRecords: 128,
};
const commitment = Buffer.alloc(32, 9);
const ORGANISATIONS = ["clinic-a", "clinic-b"] as const;
type Organisation = (typeof ORGANISATIONS)[number];

export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of stream) all.push(message);
  return all;
}

/** A dealer's operator with two organisations, and any number of replicas of its dealer on one database. */
export class DealerScene {
  readonly #signing = new Map(ORGANISATIONS.map((id) => [id, generateSigningKey()]));
  readonly #closing: { close(): unknown }[] = [];

  private constructor(
    readonly target: TestDatabase,
    private readonly operator: TestOrganisation,
    private readonly parties: ReadonlyMap<Organisation, TestOrganisation>,
    private readonly environment: Readonly<Record<string, string>>,
  ) {}

  static async make(target: TestDatabase): Promise<DealerScene> {
    const operator = await testOrganisation("dealer");
    const parties = new Map(
      await Promise.all(ORGANISATIONS.map(async (id) => [id, await testOrganisation(id)] as const)),
    );
    const { certificatePem, privateKeyPem } = (await operator.certificate("dealer")).current;
    const file = (name: string, text: string) => {
      const path = join(target.dataDir, name);
      writeFileSync(path, text);
      return path;
    };
    return new DealerScene(target, operator, parties, {
      PARLEY_LISTEN: "127.0.0.1:0",
      PARLEY_ENROL_LISTEN: "127.0.0.1:0",
      PARLEY_HEALTH_LISTEN: "127.0.0.1:0",
      PARLEY_DATA_DIR: target.dataDir,
      ...(target.url && { DATABASE_URL: target.url }),
      PARLEY_TLS_CERT: file("cert.pem", certificatePem),
      PARLEY_TLS_KEY: file("key.pem", privateKeyPem),
      PARLEY_TLS_CA: file("ca.pem", operator.authority.certificatePem),
    });
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

  async as(service: RunningService, org: Organisation | "dealer", role: string): Promise<DealerClient> {
    const own = await (org === "dealer" ? this.operator : this.partyOf(org)).certificate(role);
    const server = { org: "dealer", role: "dealer", bundle: () => this.operator.bundle };
    const client = connect(dealer.DealerServiceService, { address: service.addresses.mtls, own, server });
    this.#closing.push(client);
    return client;
  }

  async enrolBoth(service: RunningService): Promise<void> {
    const operator = await this.as(service, "dealer", "operator");
    for (const id of ORGANISATIONS) {
      const { token } = await operator.createEnrolmentToken({ organisationId: id, validSeconds: 60 });
      const parsed = parseOneTimeToken(token);
      const credentials = pinnedChannelCredentials(await fetchIssuerAuthority(parsed));
      const first = connect(enrolment.EnrolmentServiceService, { address: parsed.address, credentials });
      const { privateKeyPem, publicKey } = this.keyOf(id);
      const organisation = {
        id,
        bundle: this.partyOf(id).bundle.map((der) => Buffer.from(der)),
        signingKey: Buffer.from(publicKey),
        workerEndpoints: [],
        fingerprint: "",
        revoked: false,
      };
      const proof = Buffer.from(enrolmentProof(privateKeyPem, secretHashOf(parsed.secret), id));
      await first.enrol({ secret: parsed.secret, organisation, proof }).finally(() => first.close());
    }
  }

  /** A mask under a new agreement of clinic-a's model with clinic-b. @returns its id and U */
  async openMask(service: RunningService): Promise<{ id: Buffer; u: Buffer }> {
    const { issuer } = service.app.get(DealerContext);
    const party = (org: Organisation) =>
      partyTerms({ org, signingKey: this.keyOf(org).publicKey, bundle: this.partyOf(org).bundle });
    const offered = offerAgreement(
      {
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
        modelOwner: party("clinic-a"),
        dataOwner: party("clinic-b"),
        dealer: partyTerms({ org: "dealer", signingKey: issuer.signingKey, bundle: issuer.bundle }),
        records: 1000,
        notBefore: new Date(Date.now() - 1000).toISOString(),
        expires: new Date(Date.now() + 3_600_000).toISOString(),
        output: { kind: "logits" },
        maxPrepared: 4,
        perLayerWidths: true,
      },
      this.signer("clinic-a"),
    );
    const agreement = acceptAgreement(offered, this.signer("clinic-b"));
    const client = await this.as(service, "clinic-a", "access-point");
    const messages = await collect(client.openMask({ agreement, plan: Buffer.from(encodePlan(plan)), commitment }));
    return { id: messages[0].maskId, u: Buffer.concat(messages.map(({ chunk }) => chunk)) };
  }

  async close(): Promise<void> {
    for (const one of this.#closing.reverse()) await one.close();
  }

  private signer = (org: Organisation) => ({ org, privateKey: this.keyOf(org).privateKeyPem });

  private partyOf(id: Organisation): TestOrganisation {
    const party = this.parties.get(id);
    if (!party) throw new Error(`no party ${id}`);
    return party;
  }

  private keyOf(id: Organisation): ReturnType<typeof generateSigningKey> {
    const key = this.#signing.get(id);
    if (!key) throw new Error(`no key of ${id}`);
    return key;
  }
}
