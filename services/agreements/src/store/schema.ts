import {
  bigint,
  boolean,
  check,
  customType,
  index,
  integer,
  pgSchema,
  primaryKey,
  text,
  timestamp,
} from "drizzle-orm/pg-core";
import { sql } from "drizzle-orm";

const bytes = customType<{ data: Buffer; driverData: Uint8Array }>({
  dataType: () => "bytea",
  fromDriver: (value) => Buffer.from(value),
});
const count = (name: string) => bigint(name, { mode: "number" });
const instant = (name: string) => timestamp(name, { withTimezone: true });

export const schema = pgSchema("agreements");

/** Orders state changes for those who watch; drawn under a lock, so that a greater one never becomes visible first. */
export const revisions = schema.sequence("revision");

export const agreements = schema.table(
  "agreement",
  {
    id: text().primaryKey(),
    /** General JWS exactly as signed. */
    jws: text().notNull(),
    digest: bytes("digest").notNull(),
    state: text({ enum: ["offered", "active", "suspended", "revoked", "expired"] }).notNull(),
    offeredBy: text("offered_by").notNull(),
    modelOwner: text("model_owner").notNull(),
    dataOwner: text("data_owner").notNull(),
    assetId: text("asset_id").notNull(),
    operation: text().notNull(),
    quota: count("quota").notNull(),
    reserved: count("reserved").notNull().default(0),
    used: count("used").notNull().default(0),
    notBefore: instant("not_before").notNull(),
    expires: instant("expires").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
    revision: count("revision").notNull(),
    /** The signed statement that ended it. */
    revocation: text(),
  },
  (table) => [
    index("agreement_revision").on(table.revision),
    index("agreement_model_owner").on(table.modelOwner),
    index("agreement_data_owner").on(table.dataOwner),
    check("agreement_counts", sql`${table.reserved} >= 0 AND ${table.used} >= 0`),
  ],
);

/** What a job reserved; kept when the job has ended, as the idempotency key. */
export const reservations = schema.table(
  "reservation",
  {
    jobId: text("job_id").primaryKey(),
    agreementId: text("agreement_id").notNull(),
    records: count("records").notNull(),
    /** Of these, still counted as reserved. */
    remaining: count("remaining").notNull(),
    /** Records of all reported runs, revealed or not. */
    reported: count("reported").notNull().default(0),
    /** Tickets that the job was given; known when it has ended. */
    tickets: integer(),
    /** After this moment what the model owner has not reported was not bound; null while the job lives. */
    settleAt: instant("settle_at"),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (table) => [
    index("reservation_settle").on(table.settleAt),
    index("reservation_open")
      .on(table.jobId)
      .where(sql`${table.tickets} IS NULL`),
    check("reservation_remaining", sql`${table.remaining} >= 0`),
  ],
);

/** The model owner's reports, each run once. */
export const runReports = schema.table(
  "run_report",
  {
    attempt: text().notNull(),
    run: integer().notNull(),
    jobId: text("job_id").notNull(),
    records: count("records").notNull(),
    revealed: boolean().notNull(),
    /** The signed statement. */
    statement: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.attempt, table.run] })],
);
