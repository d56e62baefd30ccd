import { generateSigningKey, thumbprint } from "@parley/agreement";
import { Code, ParleyError, identity, scheduler, type ServiceClient, type common } from "@parley/proto";
import {
  RpcServer,
  TOKEN_AUDIENCE,
  TOKEN_ISSUER,
  TrustStore,
  connect,
  createLogger,
  implement,
  mutualServerCredentials,
  type Binding,
} from "@parley/service-kit";
import { freshFolder, testOrganisation, type TestOrganisation } from "@parley/service-kit/testing";
import { SignJWT } from "jose";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export type SchedulerClient = ServiceClient<typeof scheduler.SchedulerServiceService>;

const unused = () => Promise.reject(new ParleyError(Code.UNIMPLEMENTED, "UNIMPLEMENTED", "not in this test"));

/** A router of a test: its trust domain, an identity that knows the given organisations, and certificates as files. */
export class TestRouter {
  readonly logger = createLogger("test", "silent");
  readonly #tokenKey = generateSigningKey();
  readonly #clients: { close(): void }[] = [];
  readonly #servers: RpcServer[] = [];

  private constructor(
    readonly organisation: TestOrganisation,
    readonly parties: readonly TestOrganisation[],
  ) {}

  static async start(ids: readonly string[]): Promise<TestRouter> {
    return new TestRouter(await testOrganisation("router"), await Promise.all(ids.map(testOrganisation)));
  }

  async close(): Promise<void> {
    this.#clients.forEach((client) => client.close());
    await Promise.all(this.#servers.map((server) => server.close(200)));
  }

  /** Serves a binding as a service of the router. @returns its address */
  async serve(
    role: string,
    binding: Binding,
    address = "127.0.0.1:0",
  ): Promise<{ address: string; server: RpcServer }> {
    const trust = new TrustStore({ router: this.organisation.bundle });
    const credentials = mutualServerCredentials(await this.organisation.certificate(role), trust);
    const server = new RpcServer({ credentials, trust, bindings: [binding], logger: this.logger });
    this.#servers.push(server);
    return { address: `localhost:${await server.listen(address)}`, server };
  }

  identity(): Binding {
    const jwk = createPublicKey(this.#tokenKey.privateKeyPem).export({ format: "jwk" });
    const { parties } = this;
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
          for (const { id, bundle } of parties) {
            const organisation: common.Organisation = {
              id,
              bundle: bundle.map((der) => Buffer.from(der)),
              signingKey: Buffer.alloc(32),
              workerEndpoints: [],
              fingerprint: "",
              revoked: false,
            };
            yield { organisation, synchronised: false };
          }
          yield { organisation: undefined, synchronised: true };
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      },
      { all: { roles: ["scheduler"], org: "router" } },
    );
  }

  /** Certificates of the scheduler as environment variables. */
  async environment(): Promise<Record<string, string>> {
    const folder = freshFolder();
    const { certificatePem, privateKeyPem } = (await this.organisation.certificate("scheduler")).current;
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

  /** A client of an organisation's access point, with its token. */
  async client(address: string, party: TestOrganisation): Promise<SchedulerClient> {
    const own = await party.certificate("access-point");
    const bound = { "x5t#S256": thumbprint(own.leaf).toString("base64url") };
    const token = () =>
      new SignJWT({ role: "access-point", cnf: bound })
        .setProtectedHeader({ alg: "EdDSA", kid: "1" })
        .setIssuer(TOKEN_ISSUER)
        .setAudience(TOKEN_AUDIENCE)
        .setSubject(party.id)
        .setExpirationTime("5m")
        .sign(createPrivateKey(this.#tokenKey.privateKeyPem));
    const server = { org: "router", role: "scheduler", bundle: () => this.organisation.bundle };
    const client = connect(scheduler.SchedulerServiceService, { address, own, server, token });
    this.#clients.push(client);
    return client;
  }
}
