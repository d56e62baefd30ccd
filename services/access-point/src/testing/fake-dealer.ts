import { createOneTimeToken, generateSigningKey, secretHashOf } from "@parley/agreement";
import { maskBytes, parsePlan } from "@parley/plan";
import { Code, ParleyError, dealer, enrolment } from "@parley/proto";
import {
  RpcServer,
  TrustStore,
  implement,
  mutualServerCredentials,
  serverCredentials,
  type Binding,
  type Logger,
} from "@parley/service-kit";
import { testOrganisation, type TestOrganisation } from "@parley/service-kit/testing";
import { randomBytes } from "node:crypto";

/** A dealer that enrols and opens masks, and remembers each U so that a test can check D = W - U. */
export class FakeDealer {
  /** By mask id, hex. */
  readonly masks = new Map<string, Buffer>();
  readonly ended: string[] = [];
  /** Breaks the stream of the next mask half-way. */
  breakNext = false;
  private readonly trust = new TrustStore();
  private readonly servers: RpcServer[] = [];
  private readonly secrets = new Set<string>();
  private enrolAddress = "";
  private address = "";
  private readonly signingKey = Buffer.from(generateSigningKey().publicKey);

  private constructor(private readonly authority: TestOrganisation) {}

  static async start(logger: Logger): Promise<FakeDealer> {
    const made = new FakeDealer(await testOrganisation("dealer"));
    const certificate = await made.authority.certificate("dealer");
    const enrol = new RpcServer({ credentials: serverCredentials(certificate), logger, bindings: [made.enrolment()] });
    const { trust } = made;
    const credentials = mutualServerCredentials(certificate, trust);
    const mutual = new RpcServer({ credentials, trust, logger, bindings: [made.dealing()] });
    made.servers.push(enrol, mutual);
    made.enrolAddress = `localhost:${await enrol.listen("127.0.0.1:0")}`;
    made.address = `localhost:${await mutual.listen("127.0.0.1:0")}`;
    return made;
  }

  async close() {
    await Promise.all(this.servers.map((server) => server.close(200)));
  }

  enrolmentToken(): string {
    const { token, secretHash } = createOneTimeToken({
      address: this.enrolAddress,
      caDer: this.authority.bundle[0],
      validSeconds: 60,
    });
    this.secrets.add(secretHash.toString("hex"));
    return token;
  }

  private enrolment(): Binding {
    return implement<enrolment.EnrolmentServiceServer>(
      enrolment.EnrolmentServiceService,
      {
        enrol: async ({ secret, organisation }) => {
          if (!this.secrets.delete(secretHashOf(secret).toString("hex")) || !organisation)
            throw new ParleyError(Code.PERMISSION_DENIED, "TOKEN", "refused");
          this.trust.setBundle(organisation.id, organisation.bundle);
          const issuer = {
            id: "dealer",
            bundle: this.authority.bundle.map((der) => Buffer.from(der)),
            signingKey: this.signingKey,
            workerEndpoints: [],
            fingerprint: "",
            revoked: false,
          };
          return { organisation, issuer, services: { dealer: this.address } };
        },
      },
      { all: {} },
    );
  }

  private dealing(): Binding {
    const unused = (): never => {
      throw new ParleyError(Code.UNIMPLEMENTED, "UNIMPLEMENTED", "not part of this fake");
    };
    return implement<dealer.DealerServiceServer>(
      dealer.DealerServiceService,
      {
        createEnrolmentToken: unused,
        createBatches: unused,
        fetchParts: unused,
        openMask: (request) => this.openMask(request),
        endMask: async ({ maskId }) => {
          this.ended.push(maskId.toString("hex"));
          return {};
        },
      },
      { all: { roles: ["access-point"] } },
    );
  }

  private async *openMask({ plan }: dealer.OpenMaskRequest): AsyncIterable<dealer.OpenMaskResponse> {
    const mask = randomBytes(maskBytes(parsePlan(JSON.parse(plan.toString("utf8")))));
    const [maskId, nonce] = [randomBytes(32), randomBytes(16)];
    this.masks.set(maskId.toString("hex"), mask);
    const none = Buffer.alloc(0);
    yield { maskId, nonce, chunk: none };
    const broken = this.breakNext;
    this.breakNext = false;
    for (let at = 0; at < mask.length; at += 65_537) {
      if (broken && at > mask.length / 2) throw new ParleyError(Code.UNAVAILABLE, "GONE", "the dealer is gone");
      yield { maskId: none, nonce: none, chunk: Buffer.from(mask.subarray(at, at + 65_537)) };
    }
  }
}
