import { registry } from "@parley/proto";
import { changedRows, type Database } from "@parley/service-kit";
import { and, desc, eq, ilike, lt, or, type SQL } from "drizzle-orm";
import * as schema from "./schema.js";

export type RegistryDatabase = Database<typeof schema>;
type Row = typeof schema.assets.$inferSelect;

const { assets } = schema;

/** Visible to an organisation: its own, and what others share. */
const visibleTo = (organisation: string) => or(eq(assets.organisationId, organisation), eq(assets.shared, true));

/** The asset index. */
export class AssetStore {
  constructor(private readonly database: RegistryDatabase) {}

  /** Stores an asset. @returns false where the id, or the name and version, exists */
  async insert(asset: registry.Asset): Promise<boolean> {
    const { id, organisationId, name, version, description, commitment, planDigest } = asset;
    const values = {
      id,
      organisationId,
      name,
      version,
      description,
      commitment,
      planDigest,
      plan: asset.plan.toString("utf8"),
      cost: encodeCost(asset.cost),
      shared: asset.visibility !== registry.Visibility.VISIBILITY_PRIVATE,
    };
    return changedRows(await this.database.db.insert(assets).values(values).onConflictDoNothing()) === 1;
  }

  async get(id: string, organisation: string): Promise<registry.Asset | undefined> {
    const [row] = await this.database.db
      .select()
      .from(assets)
      .where(and(eq(assets.id, id), visibleTo(organisation)));
    return row && present(row);
  }

  /** Newest first, without plans and archived ones. Ids are ordered by time. */
  async list(query: {
    organisation: string;
    owner: string;
    text: string;
    before: string;
    limit: number;
  }): Promise<registry.Asset[]> {
    const conditions: (SQL | undefined)[] = [visibleTo(query.organisation), eq(assets.archived, false)];
    if (query.owner) conditions.push(eq(assets.organisationId, query.owner));
    if (query.before) conditions.push(lt(assets.id, query.before));
    if (query.text) {
      const pattern = `%${query.text.replace(/[\\%_]/g, "\\$&")}%`;
      conditions.push(or(ilike(assets.name, pattern), ilike(assets.description, pattern)));
    }
    const rows = await this.database.db
      .select()
      .from(assets)
      .where(and(...conditions))
      .orderBy(desc(assets.id))
      .limit(query.limit);
    return rows.map((row) => ({ ...present(row), plan: Buffer.alloc(0) }));
  }

  /** @returns false where the organisation has no such asset */
  async archive(id: string, organisation: string): Promise<boolean> {
    const own = and(eq(assets.id, id), eq(assets.organisationId, organisation));
    return changedRows(await this.database.db.update(assets).set({ archived: true }).where(own)) === 1;
  }
}

const encodeCost = (cost: registry.Cost | undefined) =>
  JSON.stringify(cost ?? {}, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));

function decodeCost(text: string): registry.Cost {
  const cost = JSON.parse(text) as Record<keyof registry.Cost, string | number | undefined>;
  const big = (name: keyof registry.Cost) => BigInt(cost[name] ?? 0);
  return {
    messages: Number(cost.messages ?? 0),
    bytesP1ToP0: big("bytesP1ToP0"),
    bytesP0ToP1: big("bytesP0ToP1"),
    dealerBytesP0: big("dealerBytesP0"),
    dealerBytesP1: big("dealerBytesP1"),
    gates: big("gates"),
  };
}

function present(row: Row): registry.Asset {
  const { id, organisationId, name, version, description, commitment, planDigest, createdAt, archived } = row;
  const { VISIBILITY_NETWORK, VISIBILITY_PRIVATE } = registry.Visibility;
  return {
    id,
    organisationId,
    name,
    version,
    description,
    commitment,
    planDigest,
    createdAt,
    archived,
    plan: Buffer.from(row.plan),
    cost: decodeCost(row.cost),
    visibility: row.shared ? VISIBILITY_NETWORK : VISIBILITY_PRIVATE,
  };
}
