import { seconds, type VaultDatabase } from "./database.js";

/** What an organisation is known by, pinned. */
export interface PinnedOrganisation {
  readonly id: string;
  /** Authorities, DER. */
  readonly bundle: readonly Buffer[];
  /** Ed25519, raw 32 bytes. */
  readonly signingKey: Buffer;
}

export type IssuerKind = "router" | "dealer";

/** An operator at which this organisation enrolled. */
export interface Issuer extends PinnedOrganisation {
  /** host:port by name of the service. */
  readonly services: Readonly<Record<string, string>>;
}

interface Row {
  id: string;
  signing_key: string;
  bundle: string;
}
const encodeBundle = (bundle: readonly Uint8Array[]) =>
  JSON.stringify(bundle.map((der) => Buffer.from(der).toString("base64")));
const decode = (row: Row): PinnedOrganisation => ({
  id: row.id,
  signingKey: Buffer.from(row.signing_key, "base64"),
  bundle: (JSON.parse(row.bundle) as string[]).map((der) => Buffer.from(der, "base64")),
});

/** Operators enrolled at, and organisations whose fingerprint people compared. */
export class Organisations {
  constructor(private readonly database: VaultDatabase) {}

  saveIssuer(operator: IssuerKind, issuer: Issuer) {
    this.database.run(
      `INSERT INTO issuers (operator, id, signing_key, bundle, services, enrolled_at)
       VALUES (:operator, :id, :key, :bundle, :services, :at)
       ON CONFLICT (operator) DO UPDATE SET id = :id, signing_key = :key, bundle = :bundle, services = :services, enrolled_at = :at`,
      {
        operator,
        id: issuer.id,
        key: Buffer.from(issuer.signingKey).toString("base64"),
        bundle: encodeBundle(issuer.bundle),
        services: JSON.stringify(issuer.services),
        at: seconds(),
      },
    );
  }

  issuer(operator: IssuerKind): Issuer | undefined {
    const row = this.database.get<Row & { services: string }>(`SELECT * FROM issuers WHERE operator = :operator`, {
      operator,
    });
    return row && { ...decode(row), services: JSON.parse(row.services) as Record<string, string> };
  }

  trust(organisation: PinnedOrganisation, fingerprint: string, trustedBy: string) {
    this.database.run(
      `INSERT INTO partners (org, signing_key, bundle, fingerprint, trusted_by, trusted_at)
       VALUES (:org, :key, :bundle, :fingerprint, :trustedBy, :at)
       ON CONFLICT (org) DO UPDATE SET signing_key = :key, bundle = :bundle, fingerprint = :fingerprint,
         trusted_by = :trustedBy, trusted_at = :at`,
      {
        org: organisation.id,
        key: Buffer.from(organisation.signingKey).toString("base64"),
        bundle: encodeBundle(organisation.bundle),
        fingerprint,
        trustedBy,
        at: seconds(),
      },
    );
  }

  trusted(org: string): PinnedOrganisation | undefined {
    const row = this.database.get<Row>(`SELECT org AS id, signing_key, bundle FROM partners WHERE org = :org`, { org });
    return row && decode(row);
  }
}
