import type { common } from "@parley/proto";
import { organisationFingerprint } from "@parley/agreement";
import { changedRows, type Database } from "@parley/service-kit";
import { and, asc, eq, gt, isNull, sql } from "drizzle-orm";
import * as schema from "./schema.js";

export type IdentityDatabase = Database<typeof schema>;
type Row = typeof schema.organisations.$inferSelect;

/** Organisations and the one-time tokens by which they enrol. */
export class OrganisationStore {
  constructor(private readonly database: IdentityDatabase) {}

  async addToken(secretHash: Buffer, organisationId: string, expires: Date): Promise<void> {
    await this.database.db.insert(schema.enrolmentTokens).values({ secretHash, organisationId, expires });
  }

  /**
   * Consumes a token and stores the organisation, both or neither. A second enrolment replaces bundle and key: its token
   * was given by the operator, who thereby says so.
   * @returns false where the token is unknown, used, expired or for another organisation
   */
  async enrol(
    secretHash: Buffer,
    organisation: { id: string; bundle: readonly Buffer[]; signingKey: Buffer; endpoints: readonly string[] },
  ): Promise<boolean> {
    const { id, signingKey } = organisation;
    const endpoints = [...organisation.endpoints];
    const bundle = organisation.bundle.map((der) => der.toString("base64")).join(",");
    return this.database.db.transaction(async (tx) => {
      const t = schema.enrolmentTokens;
      const usable = and(
        eq(t.secretHash, secretHash),
        eq(t.organisationId, id),
        isNull(t.usedAt),
        gt(t.expires, sql`now()`),
      );
      if (
        changedRows(
          await tx
            .update(t)
            .set({ usedAt: sql`now()` })
            .where(usable),
        ) !== 1
      )
        return false;
      await tx
        .insert(schema.organisations)
        .values({ id, bundle, signingKey, endpoints })
        .onConflictDoUpdate({
          target: schema.organisations.id,
          set: { bundle, signingKey, endpoints, revoked: false },
        });
      return true;
    });
  }

  async get(id: string): Promise<common.Organisation | undefined> {
    const [row] = await this.database.db.select().from(schema.organisations).where(eq(schema.organisations.id, id));
    return row && present(row);
  }

  /** By name, after a name. */
  async list(after: string, limit: number): Promise<common.Organisation[]> {
    const rows = await this.database.db
      .select()
      .from(schema.organisations)
      .where(gt(schema.organisations.id, after))
      .orderBy(asc(schema.organisations.id))
      .limit(limit);
    return rows.map(present);
  }

  /** Another text after every change of any organisation. */
  async digest(): Promise<string> {
    const o = schema.organisations;
    const row = sql`md5(concat_ws('|', ${o.id}, ${o.bundle}, ${o.signingKey}, ${o.endpoints}, ${o.revoked}))`;
    const [all] = await this.database.db
      .select({ digest: sql<string>`coalesce(md5(string_agg(${row}, '' order by ${o.id})), '')` })
      .from(o);
    return all.digest;
  }

  async setEndpoints(id: string, endpoints: string[]): Promise<common.Organisation | undefined> {
    const [row] = await this.database.db
      .update(schema.organisations)
      .set({ endpoints })
      .where(eq(schema.organisations.id, id))
      .returning();
    return row && present(row);
  }

  /** Revokes an organisation, and with it every token that could bring it back. */
  async revoke(id: string): Promise<common.Organisation | undefined> {
    return this.database.db.transaction(async (tx) => {
      const t = schema.enrolmentTokens;
      await tx
        .update(t)
        .set({ usedAt: sql`now()` })
        .where(and(eq(t.organisationId, id), isNull(t.usedAt)));
      const [row] = await tx
        .update(schema.organisations)
        .set({ revoked: true })
        .where(eq(schema.organisations.id, id))
        .returning();
      return row && present(row);
    });
  }
}

function present(row: Row): common.Organisation {
  const bundle = row.bundle.split(",").map((text) => Buffer.from(text, "base64"));
  const fingerprint = organisationFingerprint({ id: row.id, bundle, signingKey: row.signingKey });
  return {
    id: row.id,
    bundle,
    signingKey: row.signingKey,
    workerEndpoints: row.endpoints,
    fingerprint,
    revoked: row.revoked,
  };
}
