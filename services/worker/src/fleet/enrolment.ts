import { createKeyAndCsr, fetchIssuerAuthority, parseOneTimeToken, claimedName } from "@parley/agreement";
import { enrolment, fleet, type ServiceClient } from "@parley/proto";
import {
  CertificateHolder,
  connect,
  pinnedChannelCredentials,
  type ExpectedServer,
  type Logger,
} from "@parley/service-kit";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

/** What a worker has after first contact. */
export interface Enrolled {
  readonly org: string;
  readonly certificate: CertificateHolder;
  /** Replaced where the access point renews with another one. */
  bundle: Buffer[];
  readonly fleetAddress: string;
  readonly expires: Date;
}

const pem = (der: Uint8Array) => new X509Certificate(der).toString();
const chain = (leaf: Uint8Array, bundle: readonly Uint8Array[]) => [leaf, ...bundle].map(pem).join("");

/** Enrols with the one-time token of the own access point: its authority is checked before the secret is sent. The key stays in memory. */
export async function enrolWorker(tokenFile: string): Promise<Enrolled> {
  const token = parseOneTimeToken(readFileSync(tokenFile, "utf8").trim());
  const authority = await fetchIssuerAuthority(token);
  const client = connect(enrolment.WorkerEnrolmentServiceService, {
    address: token.address,
    credentials: pinnedChannelCredentials(authority),
  });
  try {
    const { privateKeyPem, csrDer } = await createKeyAndCsr();
    const answer = await client.enrolWorker({ secret: token.secret, csr: Buffer.from(csrDer) });
    const certificate = new CertificateHolder({
      certificatePem: chain(answer.certificate, answer.bundle),
      privateKeyPem,
    });
    const { org } = claimedName(answer.certificate);
    return {
      org,
      certificate,
      bundle: answer.bundle,
      fleetAddress: answer.fleetAddress,
      expires: answer.expires ?? new Date(),
    };
  } finally {
    client.close();
  }
}

/** The own access point, as a server that a worker expects. */
export const accessPointOf = (enrolled: Enrolled): ExpectedServer => ({
  org: enrolled.org,
  role: "access-point",
  bundle: () => enrolled.bundle,
});

/** Renews the certificate at half of its life, without a restart; tries again every minute where it cannot. */
export class Renewal {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly enrolled: Enrolled,
    private readonly client: ServiceClient<typeof fleet.FleetServiceService>,
    private readonly logger: Logger,
  ) {
    this.plan(enrolled.expires);
  }

  private plan(expires: Date) {
    const half = Math.max(60_000, (expires.getTime() - Date.now()) / 2);
    this.#timer = setTimeout(() => void this.renew(expires), half).unref();
  }

  private async renew(expires: Date) {
    try {
      const { privateKeyPem, csrDer } = await createKeyAndCsr();
      const answer = await this.client.renewCertificate({ csr: Buffer.from(csrDer) });
      this.enrolled.certificate.replace({ certificatePem: chain(answer.certificate, answer.bundle), privateKeyPem });
      this.enrolled.bundle = answer.bundle;
      this.logger.info("certificate renewed");
      this.plan(answer.expires ?? expires);
    } catch (error) {
      this.logger.warn({ err: error }, "the certificate could not be renewed, trying again");
      this.#timer = setTimeout(() => void this.renew(expires), 60_000).unref();
    }
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
