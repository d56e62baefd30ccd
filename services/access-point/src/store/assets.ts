import { seconds, type VaultDatabase } from "./database.js";

/** An own model. Its weights are the file `weights/ID`. */
export interface OwnAsset {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly description: string;
  readonly visibility: number;
  /** SHA-256 over what was published (model, schema, labels), hex; stays here. */
  readonly content: string;
  readonly plan: Buffer;
  readonly planDigest: string;
  readonly commitment: string;
  /** Key of the commitment, 32 bytes; stays here. */
  readonly commitmentKey: Buffer;
  /** True once the registry has it. */
  readonly published: boolean;
}

interface Row {
  id: string;
  name: string;
  version: number;
  description: string;
  visibility: number;
  content: string;
  plan: Uint8Array;
  plan_digest: string;
  commitment: string;
  commitment_key: Uint8Array;
  published: number;
}
const decode = (row: Row): OwnAsset => ({
  id: row.id,
  name: row.name,
  version: row.version,
  description: row.description,
  visibility: row.visibility,
  content: row.content,
  plan: Buffer.from(row.plan),
  planDigest: row.plan_digest,
  commitment: row.commitment,
  commitmentKey: Buffer.from(row.commitment_key),
  published: row.published === 1,
});

export class Assets {
  constructor(private readonly database: VaultDatabase) {}

  get(id: string): OwnAsset | undefined {
    const row = this.database.get<Row>(`SELECT * FROM assets WHERE id = :id`, { id });
    return row && decode(row);
  }

  findContent(name: string, content: string): OwnAsset | undefined {
    const row = this.database.get<Row>(`SELECT * FROM assets WHERE name = :name AND content = :content`, {
      name,
      content,
    });
    return row && decode(row);
  }

  /** Stores an asset under the next version of its name. */
  add(asset: Omit<OwnAsset, "version" | "published">): OwnAsset {
    return this.database.transaction(() => {
      const { version } = this.database.get<{ version: number }>(
        `SELECT coalesce(max(version), 0) + 1 AS version FROM assets WHERE name = :name`,
        { name: asset.name },
      )!;
      this.database.run(
        `INSERT INTO assets (id, name, version, description, visibility, content, plan, plan_digest, commitment, commitment_key, published, created_at)
         VALUES (:id, :name, :version, :description, :visibility, :content, :plan, :planDigest, :commitment, :commitmentKey, 0, :at)`,
        { ...asset, version, at: seconds() },
      );
      return { ...asset, version, published: false };
    });
  }

  markPublished(id: string) {
    this.database.run(`UPDATE assets SET published = 1 WHERE id = :id`, { id });
  }
}
