import {
  acceptAgreement,
  generateSigningKey,
  newId,
  offerAgreement,
  partyTerms,
  verifyAgreement,
  type Terms,
} from "@parley/agreement";
import { computeMaskId } from "@parley/correlation";
import type { Weights } from "@parley/plan";
import { fleet } from "@parley/proto";
import { createLogger, type RunningService } from "@parley/service-kit";
import { testOrganisation, type TestOrganisation } from "@parley/service-kit/testing";
import { createHash, randomBytes } from "node:crypto";
import { Writable } from "node:stream";
import { expect, vi } from "vitest";
import { readConfig } from "../config.js";
import type { Resolve } from "../peer/addresses.js";
import { readAgreement, type WorkingAgreement } from "../models/agreement.js";
import { startWorker } from "../service.js";
import { densePlan, digestOfPlan, evaluate, maskedWeights, randomInput, randomWeights, vaultBytes } from "./network.js";
import { Relay } from "./relay.js";
import { TestAccessPoint } from "./test-access-point.js";
import { TestDealer } from "./test-dealer.js";

const HOUR = 3_600_000;

interface SceneOptions {
  readonly timeoutMs?: number;
  readonly lifeMs?: number;
  readonly lot?: number;
  readonly at?: string;
  readonly resolve?: Resolve;
  readonly partnerConnections?: number;
}

/** An agreement with its mask, as each party's access point tells its workers. */
export interface TestAgreement {
  readonly digest: Buffer;
  readonly maskId: Buffer;
  readonly server: fleet.ActiveAgreement;
  readonly client: fleet.ActiveAgreement;
}

/** A model owner with one worker behind a relay, two data owners, and a dealer, all over mutual TLS. */
export class Scene {
  readonly relay = new Relay();
  readonly weights: Weights = randomWeights();
  readonly commitment = randomBytes(32);
  /** All that the workers logged, at the lowest level. */
  readonly logs: string[] = [];
  readonly workers = new Map<string, RunningService>();
  readonly #keys = new Map<string, ReturnType<typeof generateSigningKey>>();
  endpoint = "";
  /** Between clinic-a and clinic-b. */
  agreement!: TestAgreement;

  private constructor(
    readonly dealer: TestDealer,
    readonly a: TestAccessPoint,
    readonly b: TestAccessPoint,
    /** Another data owner with an agreement of its own; only for its certificates. */
    readonly c: TestOrganisation,
    private readonly timeoutMs: number,
    private readonly lot: number,
    private readonly resolve: Resolve | undefined,
    private readonly partnerConnections: number,
  ) {}

  /** @param at where worker-a listens instead, without a relay before it; partners look its name up by `resolve` */
  static async start(options: SceneOptions = {}): Promise<Scene> {
    const { timeoutMs = 20_000, lifeMs = HOUR, lot = 1, at, resolve, partnerConnections = 1 } = options;
    const [a, b, c] = await Promise.all(["clinic-a", "clinic-b", "clinic-c"].map(testOrganisation));
    const dealer = await TestDealer.start([a, b, c]);
    const points = [await TestAccessPoint.start(a), await TestAccessPoint.start(b)] as const;
    const scene = new Scene(dealer, ...points, c, timeoutMs, lot, resolve, partnerConnections);
    scene.endpoint = at ? `localhost:${at.slice(at.lastIndexOf(":") + 1)}` : await scene.relay.listen();
    scene.a.weights = vaultBytes(scene.weights);
    scene.agreement = await scene.agree(b, lifeMs);
    scene.a.agreements = [scene.agreement.server, (await scene.agree(c)).server];
    scene.b.agreements = [scene.agreement.client];
    scene.relay.target = (await scene.startWorker(scene.a, "worker-a", at)).addresses.mtls;
    await scene.startWorker(scene.b, "worker-b");
    return scene;
  }

  async startWorker(accessPoint: TestAccessPoint, name: string, listen = "127.0.0.1:0"): Promise<RunningService> {
    const config = readConfig({
      PARLEY_LISTEN: listen,
      PARLEY_RESOLVE_MS: "100",
      PARLEY_PARTNER_CONNECTIONS: String(this.partnerConnections),
      PARLEY_HEALTH_LISTEN: "127.0.0.1:0",
      PARLEY_WORKER_TOKEN_FILE: accessPoint.tokenFile(),
      PARLEY_WORKER_NAME: name,
      PARLEY_POLL: "off",
      PARLEY_LOT: String(this.lot),
      PARLEY_SESSION_TIMEOUT_MS: String(this.timeoutMs),
    });
    const sink = new Writable({
      write: (line: Buffer, _encoding, done) => {
        this.logs.push(line.toString());
        done();
      },
    });
    const worker = await startWorker(config, createLogger("worker", "trace", sink), this.resolve);
    this.workers.set(name, worker);
    return worker;
  }

  /** A new agreement with the same model, and its mask; it expires after `lifeMs`. */
  async agree(dataOwner: TestOrganisation, lifeMs = HOUR): Promise<TestAgreement> {
    const modelOwner = this.a.organisation;
    const terms: Terms = {
      format: "parley.agreement.v1",
      id: newId("agr"),
      operation: "predict",
      purpose: "test",
      asset: {
        id: newId("mdl"),
        name: "dense",
        version: 1,
        commitment: this.commitment.toString("hex"),
        planDigest: digestOfPlan.toString("hex"),
      },
      modelOwner: this.party(modelOwner),
      dataOwner: this.party(dataOwner),
      dealer: this.party(this.dealer.organisation),
      records: 1000,
      notBefore: new Date(Date.now() - 1000).toISOString(),
      expires: new Date(Date.now() + lifeMs).toISOString(),
      output: { kind: "logits" },
      maxPrepared: 4,
      perLayerWidths: true,
    };
    const signer = ({ id }: TestOrganisation) => ({ org: id, privateKey: this.key(id).privateKeyPem });
    const jws = acceptAgreement(offerAgreement(terms, signer(modelOwner)), signer(dataOwner));
    const { digest } = verifyAgreement(jws);
    const maskNonce = randomBytes(16);
    const maskId = Buffer.from(computeMaskId(digestOfPlan, this.commitment, digest, maskNonce));
    const d = maskedWeights(this.weights, await this.dealer.openMask(maskId, modelOwner.id, dataOwner.id));
    this.a.masked.set(maskId.toString("hex"), d);
    const both = {
      digest,
      jws,
      plan: Buffer.from(JSON.stringify(densePlan)),
      dealerAddress: this.dealer.address,
      expires: new Date(terms.expires),
    };
    const none = { maskId: Buffer.alloc(0), maskNonce: Buffer.alloc(0), maskedWeightsDigest: Buffer.alloc(0) };
    const mask = { maskId, maskNonce, maskedWeightsDigest: createHash("sha256").update(d).digest() };
    return {
      digest,
      maskId,
      server: { ...both, ...mask, party: fleet.Party.PARTY_SERVER, peerEndpoints: [] },
      client: { ...both, ...none, party: fleet.Party.PARTY_CLIENT, peerEndpoints: [this.endpoint] },
    };
  }

  /** The agreement with clinic-b as its worker reads it once it knows the mask. */
  working(): WorkingAgreement {
    const { server, client } = this.agreement;
    const { maskId, maskNonce, maskedWeightsDigest } = server;
    return readAgreement({ ...client, maskId, maskNonce, maskedWeightsDigest });
  }

  order(input: BigInt64Array, records: number): fleet.RunOrder {
    return {
      ticket: randomBytes(48).toString("base64url"),
      jobId: newId("job"),
      attemptId: newId("att"),
      run: 0,
      records,
      agreementDigest: this.agreement.digest,
      input: Buffer.from(input.buffer, input.byteOffset, input.byteLength),
      traceparent: "",
    };
  }

  /** Orders a run with a random input of clinic-b's worker. */
  async predict(records: number, worker = "worker-b") {
    const input = randomInput(records);
    const order = this.order(input, records);
    return { input, order, result: await this.b.run(order, worker) };
  }

  /** A run that must give the exact answer. */
  async expectExact(records: number, worker = "worker-b"): Promise<void> {
    const { input, result } = await this.predict(records, worker);
    expect(result.reason).toBe("");
    expect(integers(result.output)).toEqual(evaluate(this.weights, input));
  }

  /** Has clinic-b's worker keep prepared sessions for one record; resolves when it reports them. */
  async keepPrepared(sessions: number): Promise<void> {
    const entry = { agreementDigest: this.agreement.digest, records: 1, sessions };
    const seen = this.b.of("stock").length;
    this.b.push({ $case: "target", value: { entries: sessions ? [entry] : [] } });
    const held = () =>
      this.b
        .of("stock")
        .slice(seen)
        .at(-1)
        ?.entries.reduce((sum, e) => sum + e.sessions, 0);
    await vi.waitFor(() => expect(held()).toBe(sessions), { timeout: 10_000 });
  }

  async close(): Promise<void> {
    this.relay.close();
    await Promise.all([...this.workers.values()].map((worker) => worker.close()));
    await Promise.all([this.a.close(), this.b.close(), this.dealer.close()]);
  }

  private key(id: string) {
    const known = this.#keys.get(id) ?? generateSigningKey();
    this.#keys.set(id, known);
    return known;
  }

  private party({ id, bundle }: TestOrganisation) {
    return partyTerms({ org: id, signingKey: this.key(id).publicKey, bundle });
  }
}

/** Revealed integers. */
export const integers = (output: Buffer): bigint[] =>
  Array.from({ length: output.length / 8 }, (_, i) => output.readBigInt64LE(8 * i));
