import { sql, type SQL } from "drizzle-orm";
import type { common } from "@parley/proto";
import { currentTrace } from "../telemetry/trace.js";
import { rowsOf, type Database } from "./database.js";

export interface AuditEvent {
  /** What happened, e.g. "organisation.enrolled". */
  readonly action: string;
  /** An organisation, "org/user" or "router/service". */
  readonly actor: string;
  /** The thing it happened to. */
  readonly subject: string;
  /** Metadata; never data, shares, results or tokens. */
  readonly details?: Readonly<Record<string, string | number | boolean>>;
  /** Organisations that may read it. */
  readonly organisations?: readonly string[];
  /** Of the trace under way where absent. */
  readonly traceId?: string;
}

type Executor = { execute(query: SQL): Promise<unknown> };
interface Row {
  readonly sequence: string | number;
  readonly at: string | Date;
  readonly action: string;
  readonly actor: string;
  readonly subject: string;
  readonly trace_id: string;
  readonly details: string;
}

/** An append-only table of events in the service's schema; the database itself refuses updates and deletes. */
export class AuditLog {
  private constructor(
    private readonly db: Executor,
    private readonly schema: string,
  ) {}

  static async open(database: Database<Record<string, unknown>>, service: string): Promise<AuditLog> {
    const schema = service.replaceAll("-", "_");
    const log = new AuditLog(database.db, schema);
    await database.db.transaction(async (tx) => {
      // Two replicas that start together: the second waits here.
      await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtext('parley-audit'))`);
      for (const statement of definition(schema)) await tx.execute(sql.raw(statement));
    });
    return log;
  }

  private get table() {
    return sql.raw(`"${this.schema}"."audit_log"`);
  }

  /** Appends; inside a transaction where one is given. Returns the position. */
  append(event: AuditEvent, executor: Executor = this.db): Promise<bigint> {
    return this.appendAll([event], executor);
  }

  /** Appends all or none, in their order. Returns the position of the last. */
  async appendAll(events: readonly AuditEvent[], executor: Executor = this.db): Promise<bigint> {
    const rows = events.map(({ action, actor, subject, traceId, details = {}, organisations = [] }) => ({
      action,
      actor,
      subject,
      trace: traceId ?? currentTrace()?.traceId ?? "",
      details: JSON.stringify(details),
      organisations: organisations.length ? `,${organisations.join(",")},` : "",
    }));
    const result = await executor.execute(sql`
      INSERT INTO ${this.table} (action, actor, subject, trace_id, details, organisations)
      SELECT e->>'action', e->>'actor', e->>'subject', e->>'trace', e->>'details', e->>'organisations'
      FROM jsonb_array_elements(${JSON.stringify(rows)}::text::jsonb) WITH ORDINALITY AS given(e, n) ORDER BY n
      RETURNING sequence`);
    return BigInt(rowsOf<Row>(result).at(-1)?.sequence ?? 0);
  }

  /** Entries after a position, oldest first; of an organisation and about a subject where given. */
  async list(query: {
    after?: bigint;
    limit?: number;
    organisation?: string;
    subject?: string;
  }): Promise<common.AuditEntry[]> {
    const conditions = [sql`sequence > ${String(query.after ?? 0n)}`];
    if (query.organisation) conditions.push(sql`organisations LIKE ${`%,${query.organisation},%`}`);
    if (query.subject) conditions.push(sql`subject = ${query.subject}`);
    const result = await this.db.execute(
      sql`SELECT * FROM ${this.table} WHERE ${sql.join(conditions, sql` AND `)} ORDER BY sequence LIMIT ${query.limit ?? 100}`,
    );
    return rowsOf<Row>(result).map((row) => ({
      sequence: BigInt(row.sequence),
      at: new Date(row.at),
      action: row.action,
      actor: row.actor,
      subject: row.subject,
      traceId: row.trace_id,
      details: row.details,
    }));
  }
}

const definition = (schema: string) => [
  `CREATE SCHEMA IF NOT EXISTS "${schema}"`,
  `CREATE TABLE IF NOT EXISTS "${schema}"."audit_log" (
    sequence bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), action text NOT NULL, actor text NOT NULL,
    subject text NOT NULL, trace_id text NOT NULL, details text NOT NULL, organisations text NOT NULL)`,
  `CREATE INDEX IF NOT EXISTS audit_log_subject ON "${schema}"."audit_log" (subject)`,
  `CREATE OR REPLACE FUNCTION "${schema}".audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$`,
  `CREATE OR REPLACE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "${schema}"."audit_log"
    FOR EACH STATEMENT EXECUTE FUNCTION "${schema}".audit_log_is_append_only()`,
];
