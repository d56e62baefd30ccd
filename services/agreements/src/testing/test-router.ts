import {
  generateSigningKey,
  newId,
  offerAgreement,
  partyTerms,
  thumbprint,
  type Signer,
  type Terms,
} from "@parley/agreement";
import { Code, ParleyError, agreements, identity, type ServiceClient, type common } from "@parley/proto";
import {
  RpcServer,
  TOKEN_AUDIENCE,
  TOKEN_ISSUER,
  TrustStore,
  connect,
  createLogger,
  implement,
  mutualServerCredentials,
  type CertificateHolder,
} from "@parley/service-kit";
import { freshFolder, testOrganisation, type TestOrganisation } from "@parley/service-kit/testing";
import { SignJWT } from "jose";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export type AgreementsClient = ServiceClient<typeof agreements.AgreementsServiceService>;

/** An enrolled organisation of a test, with its signing key. */
export interface TestParty extends TestOrganisation {
  readonly signer: Signer;
  readonly signingKey: Uint8Array;
}

const unused = () => Promise.reject(new ParleyError(Code.UNIMPLEMENTED, "UNIMPLEMENTED", "not in this test"));

/** A router of a test: its trust domain, an identity that serves organisations and keys, and certificates as files. */
export class TestRouter {
  readonly logger = createLogger("test", "silent");
  readonly #tokenKey = generateSigningKey();
  readonly #parties = new Map<string, common.Organisation>();
  readonly #watchers = new Set<(organisation: common.Organisation) => void>();
  readonly #trust = new TrustStore();
  readonly #clients: { close(): void }[] = [];
  #server: RpcServer | undefined;

  private constructor(readonly organisation: TestOrganisation) {}

  static async start(): Promise<{ router: TestRouter; identityAddress: string }> {
    const router = new TestRouter(await testOrganisation("router"));
    router.#trust.setBundle("router", router.organisation.bundle);
    const credentials = mutualServerCredentials(await router.organisation.certificate("identity"), router.#trust);
    const settings = { credentials, trust: router.#trust, bindings: [router.binding()], logger: router.logger };
    router.#server = new RpcServer(settings);
    return { router, identityAddress: `localhost:${await router.#server.listen("127.0.0.1:0")}` };
  }

  async close(): Promise<void> {
    this.#clients.forEach((client) => client.close());
    await this.#server?.close(200);
  }

  async enrol(id: string): Promise<TestParty> {
    const { privateKeyPem, publicKey } = generateSigningKey();
    const party = {
      ...(await testOrganisation(id)),
      signer: { org: id, privateKey: privateKeyPem },
      signingKey: publicKey,
    };
    this.publish(party, false);
    return party;
  }

  publish(party: TestParty, revoked: boolean): void {
    const organisation = {
      id: party.id,
      bundle: party.bundle.map((der) => Buffer.from(der)),
      signingKey: Buffer.from(party.signingKey),
      workerEndpoints: [],
      fingerprint: "",
      revoked,
    };
    this.#parties.set(party.id, organisation);
    this.#watchers.forEach((watcher) => watcher(organisation));
  }

  /** Environment variables of a router service that speaks as `role`. */
  async environment(role: string): Promise<Record<string, string>> {
    const folder = freshFolder();
    const { certificatePem, privateKeyPem } = (await this.organisation.certificate(role)).current;
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    return {
      PARLEY_TLS_CERT: file("cert.pem", certificatePem),
      PARLEY_TLS_KEY: file("key.pem", privateKeyPem),
      PARLEY_TLS_CA: file("ca.pem", this.organisation.authority.certificatePem),
      PARLEY_LISTEN: "127.0.0.1:0",
      PARLEY_HEALTH_LISTEN: "127.0.0.1:0",
    };
  }

  /** A client of agreements: an organisation's access point with its token, or a service of the router. */
  async client(address: string, as: TestOrganisation | string): Promise<AgreementsClient> {
    if (typeof as === "string") return this.connect(address, await this.organisation.certificate(as));
    const own = await as.certificate("access-point");
    return this.clientWithToken(address, own, { boundTo: own, org: as.id });
  }

  /** A client whose token is bound to a certificate and an organisation, which need not be its own. */
  clientWithToken(
    address: string,
    own: CertificateHolder,
    token: { boundTo: CertificateHolder; org: string },
  ): AgreementsClient {
    return this.connect(address, own, () => this.token(token.org, token.boundTo));
  }

  private connect(address: string, own: CertificateHolder, token?: () => Promise<string>): AgreementsClient {
    const server = { org: "router", role: "agreements", bundle: () => this.organisation.bundle };
    const client = connect(agreements.AgreementsServiceService, { address, own, server, token });
    this.#clients.push(client);
    return client;
  }

  private token(org: string, certificate: CertificateHolder): Promise<string> {
    const digest = thumbprint(certificate.leaf).toString("base64url");
    return new SignJWT({ role: "access-point", cnf: { "x5t#S256": digest } })
      .setProtectedHeader({ alg: "EdDSA", kid: "1" })
      .setIssuer(TOKEN_ISSUER)
      .setAudience(TOKEN_AUDIENCE)
      .setSubject(org)
      .setExpirationTime("5m")
      .sign(createPrivateKey(this.#tokenKey.privateKeyPem));
  }

  private binding() {
    const jwk = createPublicKey(this.#tokenKey.privateKeyPem).export({ format: "jwk" });
    const parties = this.#parties;
    const watchers = this.#watchers;
    return implement<identity.IdentityServiceServer>(
      identity.IdentityServiceService,
      {
        createEnrolmentToken: unused,
        issueToken: unused,
        getOrganisation: unused,
        listOrganisations: unused,
        updateEndpoints: unused,
        revokeOrganisation: unused,
        getKeys: async () => ({ jwks: JSON.stringify({ keys: [{ ...jwk, kid: "1", alg: "EdDSA" }] }) }),
        watchOrganisations: async function* (_, { signal }) {
          const queue = [...parties.values()];
          let wake = () => {};
          const watcher = (organisation: common.Organisation) => (queue.push(organisation), wake());
          watchers.add(watcher);
          signal.addEventListener("abort", () => wake());
          yield { organisation: undefined, synchronised: true };
          while (!signal.aborted) {
            const organisation = queue.shift();
            if (organisation) yield { organisation, synchronised: false };
            else await new Promise<void>((resolve) => (wake = resolve));
          }
          watchers.delete(watcher);
        },
      },
      { all: { roles: ["agreements", "scheduler"], org: "router" } },
    );
  }
}

/** Terms between two parties, valid for a day. */
export function termsBetween(modelOwner: TestParty, dataOwner: TestParty, change: Partial<Terms> = {}): Terms {
  const party = ({ id, signingKey, bundle }: TestParty) => partyTerms({ org: id, signingKey, bundle });
  return {
    format: "parley.agreement.v1",
    id: newId("agr"),
    operation: "predict",
    purpose: "screening",
    asset: { id: newId("mdl"), name: "net", version: 1, commitment: "ab".repeat(32), planDigest: "cd".repeat(32) },
    modelOwner: party(modelOwner),
    dataOwner: party(dataOwner),
    dealer: { ...party(modelOwner), org: "dealer", signingKey: Buffer.alloc(32, 9).toString("base64url") },
    records: 100,
    notBefore: new Date(Date.now() - 1000).toISOString(),
    expires: new Date(Date.now() + 86_400_000).toISOString(),
    output: { kind: "logits" },
    maxPrepared: 4,
    perLayerWidths: true,
    ...change,
  };
}

/** An offer by the model owner. */
export const offerBetween = (modelOwner: TestParty, dataOwner: TestParty, change: Partial<Terms> = {}) => {
  const terms = termsBetween(modelOwner, dataOwner, change);
  return { terms, jws: offerAgreement(terms, modelOwner.signer) };
};
