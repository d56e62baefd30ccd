import { boolean, customType, integer, pgSchema, text, timestamp, unique } from "drizzle-orm/pg-core";

const bytes = customType<{ data: Buffer; driverData: Uint8Array }>({
  dataType: () => "bytea",
  fromDriver: (value) => Buffer.from(value),
});

export const schema = pgSchema("registry");

export const assets = schema.table(
  "asset",
  {
    id: text().primaryKey(),
    organisationId: text("organisation_id").notNull(),
    name: text().notNull(),
    version: integer().notNull(),
    description: text().notNull(),
    commitment: bytes().notNull(),
    /** RFC 8785 JSON, exactly as digested. */
    plan: text().notNull(),
    planDigest: bytes("plan_digest").notNull(),
    /** Predicted cost, JSON with decimal strings. */
    cost: text().notNull(),
    /** Every organisation sees it, or the owner alone. */
    shared: boolean().notNull(),
    archived: boolean().notNull().default(false),
    createdAt: timestamp("created_at", { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [unique("asset_version").on(table.organisationId, table.name, table.version)],
);
