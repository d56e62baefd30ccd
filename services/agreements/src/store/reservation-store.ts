import { changedRows, type AuditEvent, type AuditLog } from "@parley/service-kit";
import { and, eq, gt, inArray, isNotNull, lte, sql } from "drizzle-orm";
import type { AgreementsDatabase } from "./agreement-store.js";
import * as schema from "./schema.js";

export type ReservationRow = typeof schema.reservations.$inferSelect;
type Transaction = Parameters<Parameters<AgreementsDatabase["db"]["transaction"]>[0]>[0];

export interface RunReport {
  readonly jobId: string;
  readonly attempt: string;
  readonly run: number;
  readonly records: number;
  readonly revealed: boolean;
  readonly statement: string;
}

const a = schema.agreements;
const r = schema.reservations;

class Refused extends Error {}

/**
 * Quota: per agreement, `used` (revealed, as the model owner reported) and `reserved` (what living and unsettled jobs may
 * still reveal). A reservation shrinks only by the model owner's reports, or where no ticket can have bound it any more.
 */
export class ReservationStore {
  constructor(
    private readonly database: AgreementsDatabase,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Reserves for a job, once: one conditional update takes the records from the quota, or nothing happens.
   * @returns the reservation under this job id, new or old; undefined where the agreement does not allow it now
   */
  async reserve(
    wish: { jobId: string; agreementId: string; records: number },
    now: Date,
    event: AuditEvent,
  ): Promise<{ row: ReservationRow; isNew: boolean } | undefined> {
    const { jobId, agreementId, records } = wish;
    return this.database.db
      .transaction(async (tx) => {
        const [row] = await tx
          .insert(r)
          .values({ jobId, agreementId, records, remaining: records })
          .onConflictDoNothing()
          .returning();
        if (!row) return { row: (await tx.select().from(r).where(eq(r.jobId, jobId)))[0], isNew: false };
        const fits = sql`${a.used} + ${a.reserved} + ${records} <= ${a.quota}`;
        const usable = and(
          eq(a.id, agreementId),
          eq(a.state, "active"),
          lte(a.notBefore, now),
          gt(a.expires, now),
          fits,
        );
        const taken = await tx
          .update(a)
          .set({ reserved: sql`${a.reserved} + ${records}` })
          .where(usable);
        if (changedRows(taken) !== 1) throw new Refused();
        await this.audit.append(event, tx);
        return { row, isNew: true };
      })
      .catch((error: unknown) => {
        if (error instanceof Refused) return undefined;
        throw error;
      });
  }

  /**
   * Marks a job as ended. Free at once is what its tickets cannot have bound: each may have bound all its records, less
   * what the model owner has reported. The rest stays until its reports come, or until `settleAt`. A second call changes nothing.
   */
  async end(
    job: { jobId: string; agreementId: string; tickets: number; settleAt: Date },
    event: AuditEvent,
  ): Promise<void> {
    await this.database.db.transaction(async (tx) => {
      const row = await lock(tx, job.jobId);
      if (!row || row.agreementId !== job.agreementId || row.tickets !== null) return;
      const ended = { ...row, tickets: job.tickets };
      await tx.update(r).set({ tickets: job.tickets, settleAt: job.settleAt }).where(eq(r.jobId, job.jobId));
      await shrink(tx, row, bindable(ended));
      await this.audit.append(event, tx);
    });
  }

  /**
   * Takes the model owner's report of a run, once per attempt and run.
   * @returns "conflict" where another report of that run was taken, "unknown" where the job has no such reservation
   */
  async report(
    agreementId: string,
    report: RunReport,
    event: AuditEvent,
  ): Promise<"taken" | "known" | "conflict" | "unknown"> {
    return this.database.db.transaction(async (tx) => {
      const row = await lock(tx, report.jobId);
      if (!row || row.agreementId !== agreementId || report.records > row.records) return "unknown";
      if (changedRows(await tx.insert(schema.runReports).values(report).onConflictDoNothing()) !== 1) {
        const s = schema.runReports;
        const [old] = await tx
          .select()
          .from(s)
          .where(and(eq(s.attempt, report.attempt), eq(s.run, report.run)));
        const same = old.jobId === report.jobId && old.records === report.records && old.revealed === report.revealed;
        return same ? "known" : "conflict";
      }
      const reported = row.reported + report.records;
      await tx.update(r).set({ reported }).where(eq(r.jobId, row.jobId));
      if (report.revealed)
        await tx
          .update(a)
          .set({ used: sql`${a.used} + ${report.records}` })
          .where(eq(a.id, agreementId));
      const left = report.revealed ? Math.max(0, row.remaining - report.records) : row.remaining;
      await shrink(tx, row, Math.min(left, row.tickets === null ? left : bindable({ ...row, reported })));
      await this.audit.append(event, tx);
      return "taken";
    });
  }

  /** Frees what ended jobs left unreported past their time. @returns the jobs */
  async settle(now: Date, eventOf: (row: ReservationRow) => AuditEvent): Promise<string[]> {
    const due = await this.database.db
      .select({ jobId: r.jobId })
      .from(r)
      .where(and(isNotNull(r.settleAt), lte(r.settleAt, now), gt(r.remaining, 0)))
      .limit(500);
    const settled: string[] = [];
    for (const { jobId } of due)
      await this.database.db.transaction(async (tx) => {
        const row = await lock(tx, jobId);
        if (!row || row.remaining === 0) return;
        await shrink(tx, row, 0);
        await this.audit.append(eventOf(row), tx);
        settled.push(jobId);
      });
    return settled;
  }

  async get(jobId: string): Promise<ReservationRow | undefined> {
    const [row] = await this.database.db
      .select()
      .from(r)
      .where(inArray(r.jobId, [jobId]));
    return row;
  }
}

/** Records that the tickets of an ended job may have bound without a report. */
const bindable = (row: ReservationRow): number => Math.max(0, (row.tickets ?? 0) * row.records - row.reported);

async function lock(tx: Transaction, jobId: string): Promise<ReservationRow | undefined> {
  const [row] = await tx.select().from(r).where(eq(r.jobId, jobId)).for("update");
  return row;
}

/** Lowers what a reservation holds to at most `to`, in the agreement as well. */
async function shrink(tx: Transaction, row: ReservationRow, to: number): Promise<void> {
  const freed = row.remaining - Math.min(row.remaining, to);
  if (freed === 0) return;
  await tx
    .update(r)
    .set({ remaining: row.remaining - freed })
    .where(eq(r.jobId, row.jobId));
  await tx
    .update(a)
    .set({ reserved: sql`${a.reserved} - ${freed}` })
    .where(eq(a.id, row.agreementId));
}
