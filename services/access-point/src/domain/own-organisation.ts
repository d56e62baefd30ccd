import {
  createAuthority,
  createKeyAndCsr,
  generateSigningKey,
  issueCertificate,
  loadAuthority,
  organisationFingerprint,
  signingPublicKey,
  type Authority,
  type Signer,
} from "@parley/agreement";
import { CertificateHolder, type Certificate } from "@parley/service-kit";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { PinnedOrganisation } from "../store/organisations.js";
import { precondition } from "./refusal.js";
import { writeSecretFile } from "./secret-file.js";

const LEAF_HOURS = 7 * 24;
const WORKER_HOURS = 24;

interface Settings {
  readonly org: string;
  readonly folder: string;
  /** Host names of the access point's own certificate. */
  readonly dnsNames: readonly string[];
  /** Host names of its workers' certificates. */
  readonly workerDnsNames: readonly string[];
}

/** This organisation: its authority, its signing key and the access point's certificate. */
export class OwnOrganisation {
  private constructor(
    private readonly settings: Settings,
    private readonly authority: Authority,
    readonly signer: Signer & { readonly privateKey: string },
    readonly keys: PinnedOrganisation,
    readonly certificate: CertificateHolder,
  ) {}

  /** Reads the keys of an organisation, or makes them on the first start. @throws ParleyError FAILED_PRECONDITION where some are missing or another organisation's */
  static async open(settings: Settings): Promise<OwnOrganisation> {
    const { org, folder } = settings;
    const files = {
      ca: join(folder, "ca.pem"),
      caKey: join(folder, "ca-key.pem"),
      key: join(folder, "signing-key.pem"),
    };
    // ca.pem is written last: where it exists, the first start was completed.
    if (!existsSync(files.ca)) {
      writeSecretFile(files.key, generateSigningKey().privateKeyPem);
      const made = await createAuthority({ org });
      writeSecretFile(files.caKey, made.privateKeyPem);
      writeSecretFile(files.ca, made.certificatePem);
    }
    for (const path of [files.key, files.caKey])
      if (!existsSync(path))
        throw precondition(
          "KEY_MISSING",
          `${path} is missing`,
          "Restore it from the backup; partners know this organisation by it.",
        );
    const authority = loadAuthority({
      certificatePem: readFileSync(files.ca, "utf8"),
      privateKeyPem: readFileSync(files.caKey, "utf8"),
    });
    if (authority.org !== org)
      throw precondition(
        "OTHER_ORGANISATION",
        `the folder ${folder} belongs to ${authority.org}, not to ${org}`,
        "Set PARLEY_ORG or PARLEY_DATA_DIR right.",
      );
    const privateKey = readFileSync(files.key, "utf8");
    const keys = {
      id: org,
      bundle: [Buffer.from(authority.certificateDer)],
      signingKey: Buffer.from(signingPublicKey(privateKey)),
    };
    const holder = new CertificateHolder(await newLeaf(authority, settings));
    return new OwnOrganisation(settings, authority, { org, privateKey }, keys, holder);
  }

  get id(): string {
    return this.settings.org;
  }

  get fingerprint(): string {
    return organisationFingerprint(this.keys);
  }

  /** Milliseconds after which the access point's certificate is to be renewed: half of its life. */
  readonly renewAfterMs = (LEAF_HOURS * 3_600_000) / 2;

  async renew() {
    this.certificate.replace(await newLeaf(this.authority, this.settings));
  }

  /** A worker's certificate from its request. @throws AgreementError CERTIFICATE_SIGNING_REQUEST_INVALID */
  async certifyWorker(csrDer: Uint8Array): Promise<{ certificate: Buffer; bundle: Buffer[]; expires: Date }> {
    const expires = new Date(Date.now() + WORKER_HOURS * 3_600_000);
    const { der } = await issueCertificate(this.authority, {
      org: this.id,
      role: "worker",
      dnsNames: this.settings.workerDnsNames,
      csrDer,
      validHours: WORKER_HOURS,
    });
    return { certificate: Buffer.from(der), bundle: [...this.keys.bundle], expires };
  }
}

async function newLeaf(authority: Authority, { org, dnsNames }: Settings): Promise<Certificate> {
  const { privateKeyPem, csrDer } = await createKeyAndCsr();
  const request = { org, role: "access-point", dnsNames, csrDer, validHours: LEAF_HOURS };
  const { pem } = await issueCertificate(authority, request);
  return { certificatePem: `${pem.trim()}\n${authority.certificatePem}`, privateKeyPem };
}
