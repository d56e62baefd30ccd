import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from "@grpc/grpc-js";
import { createAuthority, createKeyAndCsr, issueCertificate, type Authority } from "@parley/agreement";
import { dealer, identity } from "@parley/proto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EnrolmentOffice } from "../operator.js";

type Call = ServerUnaryCall<identity.CreateEnrolmentTokenRequest, unknown>;

/** The place where an operator's people make one-time tokens, over real mutual TLS. */
export class FakeOffice {
  /** What was asked for, in order. */
  readonly asked: { office: EnrolmentOffice; organisationId: string; validSeconds: number }[] = [];
  private readonly server = new Server();

  private constructor(private readonly authority: Authority) {}

  /** Its address, and the operator's files in `folder`. */
  static async start(folder: string): Promise<{ office: FakeOffice; address: string }> {
    const office = new FakeOffice(await createAuthority({ org: "router" }));
    await office.writeOperator(folder);
    office.answer("identity", identity.IdentityServiceService);
    office.answer("dealer", dealer.DealerServiceService);
    const { pem, privateKeyPem } = await certificate(office.authority, "identity");
    const ca = Buffer.from(office.authority.certificatePem);
    const pair = { cert_chain: Buffer.from(pem), private_key: Buffer.from(privateKeyPem) };
    const credentials = ServerCredentials.createSsl(ca, [pair], true);
    const port = await new Promise<number>((resolve, reject) =>
      office.server.bindAsync("localhost:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
    );
    return { office, address: `localhost:${port}` };
  }

  /** Files as a mounted Secret has them; of a stranger's authority where one is given. */
  async writeOperator(folder: string, authority = this.authority): Promise<void> {
    const { pem, privateKeyPem } = await certificate(authority, "operator");
    const files = { "tls.crt": pem, "tls.key": privateKeyPem, "ca.crt": this.authority.certificatePem };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  }

  stop(): void {
    this.server.forceShutdown();
  }

  private answer(
    office: EnrolmentOffice,
    definition: typeof identity.IdentityServiceService | typeof dealer.DealerServiceService,
  ) {
    this.server.addService(definition, {
      createEnrolmentToken: ({ request }: Call, done: sendUnaryData<unknown>) => {
        this.asked.push({ office, ...request });
        done(null, { token: `token-of-${office}`, expires: new Date("2027-01-01") });
      },
    });
  }
}

async function certificate(authority: Authority, role: string) {
  const { privateKeyPem, csrDer } = await createKeyAndCsr();
  const names = { org: "router", role, dnsNames: ["localhost"], csrDer, validHours: 1 };
  return { ...(await issueCertificate(authority, names)), privateKeyPem };
}
