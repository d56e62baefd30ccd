import type { common } from "@parley/proto";
import { dateOf, seconds, type VaultDatabase } from "./database.js";

/** What happened. Details are names, ids and counts; never data, shares, results or tokens. */
export interface AuditEvent {
  readonly action: string;
  /** An organisation, "org/user" or "router/service". */
  readonly actor: string;
  readonly subject: string;
  readonly traceId?: string;
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

interface Row {
  sequence: number;
  at: number;
  action: string;
  actor: string;
  subject: string;
  trace_id: string;
  details: string;
}

/** The access point's own log, append-only: triggers refuse updates and deletes. */
export class AuditLog {
  constructor(private readonly database: VaultDatabase) {}

  append(event: AuditEvent) {
    this.database.run(
      `INSERT INTO audit (at, action, actor, subject, trace_id, details)
       VALUES (:at, :action, :actor, :subject, :traceId, :details)`,
      {
        at: seconds(),
        action: event.action,
        actor: event.actor,
        subject: event.subject,
        traceId: event.traceId ?? "",
        details: JSON.stringify(event.details ?? {}),
      },
    );
  }

  /** Entries after `after`, oldest first. */
  list(subject: string, after: number, limit: number): common.AuditEntry[] {
    return this.database
      .all<Row>(
        `SELECT * FROM audit WHERE sequence > :after AND (:subject = '' OR subject = :subject) ORDER BY sequence LIMIT :limit`,
        { after, subject, limit },
      )
      .map(({ sequence, at, action, actor, subject: about, trace_id: traceId, details }) => ({
        sequence: BigInt(sequence),
        at: dateOf(at),
        action,
        actor,
        subject: about,
        traceId,
        details,
      }));
  }
}
