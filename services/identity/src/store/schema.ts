import { boolean, customType, pgSchema, text, timestamp } from "drizzle-orm/pg-core";

const bytes = customType<{ data: Buffer; driverData: Uint8Array }>({
  dataType: () => "bytea",
  fromDriver: (value) => Buffer.from(value),
});

export const schema = pgSchema("identity");

export const organisations = schema.table("organisation", {
  id: text().primaryKey(),
  /** Certificate authorities, base64 DER, comma separated. */
  bundle: text().notNull(),
  signingKey: bytes("signing_key").notNull(),
  endpoints: text().array().notNull(),
  revoked: boolean().notNull().default(false),
  enrolledAt: timestamp("enrolled_at", { withTimezone: true }).notNull().defaultNow(),
});

/** One-time tokens, by the hash of their secret. */
export const enrolmentTokens = schema.table("enrolment_token", {
  secretHash: bytes("secret_hash").primaryKey(),
  organisationId: text("organisation_id").notNull(),
  expires: timestamp({ withTimezone: true }).notNull(),
  usedAt: timestamp("used_at", { withTimezone: true }),
});
