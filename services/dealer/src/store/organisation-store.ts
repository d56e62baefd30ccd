import { organisationFingerprint } from "@parley/agreement";
import type { common } from "@parley/proto";
import { changedRows, type Database } from "@parley/service-kit";
import { and, eq, gt, inArray, isNull, ne, or, sql } from "drizzle-orm";
import * as schema from "./schema.js";

export type DealerDatabase = Database<typeof schema>;
type Row = typeof schema.organisations.$inferSelect;

/** Organisations that enrolled at this dealer. */
export class OrganisationStore {
  constructor(private readonly database: DealerDatabase) {}

  async addToken(secretHash: Buffer, organisationId: string, expires: Date): Promise<void> {
    await this.database.db.insert(schema.enrolmentTokens).values({ secretHash, organisationId, expires });
  }

  /** Consumes a token and stores the organisation, both or neither; with another key than before it starts anew. Undefined where the token is not good for it. */
  async enrol(
    secretHash: Buffer,
    organisation: { id: string; bundle: readonly Buffer[]; signingKey: Buffer; endpoints: readonly string[] },
  ): Promise<common.Organisation | undefined> {
    const { id, signingKey } = organisation;
    const endpoints = [...organisation.endpoints];
    const bundle = organisation.bundle.map((der) => der.toString("base64")).join(",");
    const done = await this.database.db.transaction(async (tx) => {
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
      await endMasksOfOtherKeys(tx, id, signingKey);
      const set = { bundle, signingKey, endpoints };
      await tx
        .insert(schema.organisations)
        .values({ id, ...set })
        .onConflictDoUpdate({ target: schema.organisations.id, set });
      return true;
    });
    return done ? this.get(id) : undefined;
  }

  async get(id: string): Promise<common.Organisation | undefined> {
    const [row] = await this.database.db.select().from(schema.organisations).where(eq(schema.organisations.id, id));
    return row && present(row);
  }

  async all(): Promise<common.Organisation[]> {
    return (await this.database.db.select().from(schema.organisations)).map(present);
  }
}

/** Whoever enrols a name with another key gets nothing that was opened under the key of before, now or ever. */
async function endMasksOfOtherKeys(tx: Pick<DealerDatabase["db"], "update">, id: string, signingKey: Buffer) {
  const { masks, batches } = schema;
  const others = or(
    and(eq(masks.org0, id), ne(masks.key0, signingKey)),
    and(eq(masks.org1, id), ne(masks.key1, signingKey)),
  );
  const ended = await tx
    .update(masks)
    .set({ sealed: null, endedAt: sql`coalesce(${masks.endedAt}, now())` })
    .where(others)
    .returning({ id: masks.id });
  if (!ended.length) return;
  const ids = ended.map((mask) => mask.id);
  await tx
    .update(batches)
    .set({ voidedAt: sql`now()` })
    .where(
      and(inArray(batches.maskId, ids), isNull(batches.voidedAt), or(isNull(batches.given0), isNull(batches.given1))),
    );
}

function present({ id, bundle: text, signingKey, endpoints }: Row): common.Organisation {
  const bundle = text.split(",").map((der) => Buffer.from(der, "base64"));
  return {
    id,
    bundle,
    signingKey,
    workerEndpoints: endpoints,
    fingerprint: organisationFingerprint({ id, bundle, signingKey }),
    revoked: false,
  };
}
