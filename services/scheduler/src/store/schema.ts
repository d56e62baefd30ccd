import { bigint, boolean, customType, index, integer, jsonb, pgSchema, text, timestamp } from "drizzle-orm/pg-core";

const bytes = customType<{ data: Buffer; driverData: Uint8Array }>({
  dataType: () => "bytea",
  fromDriver: (value) => Buffer.from(value),
});
const instant = (name: string) => timestamp(name, { withTimezone: true });
const count = (name: string) => bigint(name, { mode: "number" });

/** Why something failed, as in the proto. */
export interface StoredFailure {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly hint: string;
}

export const schema = pgSchema("scheduler");

/** Jobs: the truth. Redis holds only ids, and may lose them. */
export const jobs = schema.table(
  "job",
  {
    id: text().primaryKey(),
    organisationId: text("organisation_id").notNull(),
    modelOwner: text("model_owner").notNull(),
    name: text().notNull(),
    operation: text().notNull(),
    assetId: text("asset_id").notNull(),
    agreementId: text("agreement_id").notNull(),
    /** SHA-256 of the agreement, hex. */
    agreementDigest: text("agreement_digest").notNull(),
    planDigest: text("plan_digest").notNull(),
    records: integer().notNull(),
    maxRecords: integer("max_records").notNull(),
    state: text({ enum: ["queued", "running", "succeeded", "failed", "cancelled"] }).notNull(),
    attempts: integer().notNull().default(0),
    recordsRevealed: integer("records_revealed").notNull().default(0),
    error: jsonb().$type<StoredFailure>(),
    /** True where every attempt failed although another might have succeeded. */
    deadLetter: boolean("dead_letter").notNull().default(false),
    traceparent: text().notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
    endedAt: instant("ended_at"),
    /** When the queue took it, or an attempt that began with the job; null where it must be queued. */
    queuedAt: instant("queued_at"),
    lastTicketExpires: instant("last_ticket_expires"),
    /** True when agreements know that it ended. */
    released: boolean().notNull().default(false),
  },
  (table) => [
    index("job_organisation").on(table.organisationId, table.id),
    index("job_state").on(table.state, table.released),
  ],
);

export const attempts = schema.table(
  "attempt",
  {
    id: text().primaryKey(),
    jobId: text("job_id").notNull(),
    /** The stream that it was given to. */
    epoch: count("epoch").notNull(),
    state: text({ enum: ["open", "succeeded", "failed", "lost", "cancelled"] }).notNull(),
    /** True when the access point has said how it ended, whatever became of the job meanwhile. */
    reported: boolean().notNull().default(false),
    recordsRevealed: integer("records_revealed").notNull().default(0),
    onlineMicros: count("online_micros").notNull().default(0),
    error: jsonb().$type<StoredFailure>(),
    startedAt: instant("started_at").notNull().defaultNow(),
    endedAt: instant("ended_at"),
  },
  (table) => [index("attempt_job").on(table.jobId)],
);

/** The newest stream of each organisation, over all replicas: an older one starts nothing any more. */
export const attachments = schema.table("attachment", {
  organisationId: text("organisation_id").primaryKey(),
  epoch: count("epoch").notNull(),
});

/** Keys that sign tickets, sealed. */
export const ticketKeys = schema.table("ticket_key", {
  kid: text().primaryKey(),
  sealed: bytes("sealed").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
});

/** Audit rows on their way to the router's log: written with the change that they tell of. */
export const auditOutbox = schema.table("audit_outbox", {
  id: bigint({ mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  action: text().notNull(),
  actor: text().notNull(),
  subject: text().notNull(),
  traceId: text("trace_id").notNull(),
  details: jsonb().$type<Readonly<Record<string, string | number | boolean>>>().notNull(),
  organisations: text().array().notNull(),
  at: instant("at").notNull().defaultNow(),
  claimedUntil: instant("claimed_until"),
});
