import { sql } from "drizzle-orm";
import { boolean, check, customType, index, integer, pgSchema, text, timestamp } from "drizzle-orm/pg-core";

const bytes = customType<{ data: Buffer; driverData: Uint8Array }>({
  dataType: () => "bytea",
  fromDriver: (value) => Buffer.from(value),
});
const time = (name: string) => timestamp(name, { withTimezone: true });

export const schema = pgSchema("dealer");

/** Organisations as they enrolled here: known by their key, never by the router's word. */
export const organisations = schema.table("organisation", {
  id: text().primaryKey(),
  /** Certificate authorities, base64 DER, comma separated. */
  bundle: text().notNull(),
  signingKey: bytes("signing_key").notNull(),
  endpoints: text().array().notNull(),
  enrolledAt: time("enrolled_at").notNull().defaultNow(),
});

/** One-time tokens, by the hash of their secret. */
export const enrolmentTokens = schema.table("enrolment_token", {
  secretHash: bytes("secret_hash").primaryKey(),
  organisationId: text("organisation_id").notNull(),
  expires: time("expires").notNull(),
  usedAt: time("used_at"),
});

/** Keys that batches derive from: drawn every hour, sealed, erased when their batches are given or expired. */
export const periodKeys = schema.table("period_key", {
  id: bytes().primaryKey(),
  sealed: bytes(),
  startsAt: time("starts_at").notNull().defaultNow(),
  /** Set by a restart that may have lost commits: no batch of it is given any more. */
  voidedAt: time("voided_at"),
});

/** Which key-encryption key all sealed keys are under: one row, which every writer of a sealed key reads in its transaction. */
export const sealingKeys = schema.table(
  "sealing_key",
  {
    one: boolean().primaryKey().default(true),
    id: text().notNull(),
    since: time("since").notNull().defaultNow(),
  },
  (table) => [check("sealing_key_one", sql`${table.one}`)],
);

/** Masks: one model under one agreement. The key is erased when the mask ends. */
export const masks = schema.table("mask", {
  id: bytes().primaryKey(),
  sealed: bytes(),
  agreementDigest: bytes("agreement_digest").notNull(),
  planDigest: bytes("plan_digest").notNull(),
  plan: text().notNull(),
  org0: text().notNull(),
  org1: text().notNull(),
  /** Enrolled keys, as they were when the mask was opened. */
  key0: bytes().notNull(),
  key1: bytes().notNull(),
  maxPrepared: integer("max_prepared").notNull(),
  expires: time("expires").notNull(),
  endedAt: time("ended_at"),
});

/** Where the ledger was written: elsewhere it may have forgotten what it gave, and gives nothing. One row. */
export const ledgerHome = schema.table(
  "ledger_home",
  {
    one: boolean().primaryKey().default(true),
    home: text().notNull(),
    since: time("since").notNull().defaultNow(),
  },
  (table) => [check("ledger_home_one", sql`${table.one}`)],
);

/** The single-use ledger: each part of a batch is given at most once. */
export const batches = schema.table(
  "batch",
  {
    id: bytes().primaryKey(),
    maskId: bytes("mask_id").notNull(),
    periodId: bytes("period_id").notNull(),
    records: integer().notNull(),
    org0: text().notNull(),
    org1: text().notNull(),
    createdAt: time("created_at").notNull().defaultNow(),
    expires: time("expires").notNull(),
    given0: time("given0"),
    given1: time("given1"),
    voidedAt: time("voided_at"),
  },
  (table) => [index("batch_mask").on(table.maskId), index("batch_expires").on(table.expires)],
);
