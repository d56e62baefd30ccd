import { Batches, currentTrace, type AuditEvent, type AuditLog } from "@parley/service-kit";
import { and, asc, eq, gt, inArray, isNotNull, isNull, lt, lte, sql } from "drizzle-orm";
import type { AgreementsDatabase } from "./agreement-store.js";
import { END, REPORT, RESERVE } from "./job-statements.js";
import * as schema from "./schema.js";

export type ReservationRow = typeof schema.reservations.$inferSelect;
type Transaction = Parameters<Parameters<AgreementsDatabase["db"]["transaction"]>[0]>[0];

export interface RunReport {
  readonly agreementId: string;
  readonly jobId: string;
  readonly attempt: string;
  readonly run: number;
  readonly records: number;
  readonly revealed: boolean;
  readonly statement: string;
}

export interface Wish {
  readonly jobId: string;
  readonly agreementId: string;
  readonly records: number;
}

/** What is reserved under a job id. */
export interface Reserved {
  readonly agreementId: string;
  readonly records: number;
  /** Of an ended job: the tickets that it was given. */
  readonly tickets: number | null;
}

export interface EndedJob {
  readonly jobId: string;
  readonly agreementId: string;
  readonly tickets: number;
  readonly settleAt: Date;
}

const PAGE = 1000;
const a = schema.agreements;
const r = schema.reservations;

/** An audit event as the statements take it. */
const noteOf = ({ action, actor, traceId, details, organisations }: AuditEvent) => ({
  action,
  actor,
  trace: traceId ?? currentTrace()?.traceId ?? "",
  details: JSON.stringify(details ?? {}),
  organisations: organisations?.length ? `,${organisations.join(",")},` : "",
});

/**
 * Quota: per agreement, `used` (revealed, as the model owner reported) and `reserved` (what living and unsettled jobs may
 * still reveal). A reservation shrinks only by the model owner's reports, or where no ticket can have bound it any more.
 */
export class ReservationStore {
  private readonly wishes = new Batches<Wish & ReturnType<typeof noteOf>, Reserved | undefined>((wishes) =>
    this.reserveAll(wishes),
  );

  constructor(
    private readonly database: AgreementsDatabase,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Reserves for a job, once; what is asked for together shares a statement and a commit.
   * @returns what is reserved under this job id, now or before; undefined where the agreement does not allow it now
   */
  reserve(wish: Wish, event: AuditEvent): Promise<Reserved | undefined> {
    return this.wishes.run({ ...wish, ...noteOf(event) });
  }

  private async reserveAll(wishes: readonly (Wish & ReturnType<typeof noteOf>)[]): Promise<(Reserved | undefined)[]> {
    const rows = await this.tryReserve(wishes);
    // One that is too large must not keep out the smaller ones behind it.
    if (wishes.length > 1)
      for (const [index, row] of rows.entries()) if (!row) [rows[index]] = await this.tryReserve([wishes[index]]);
    return rows;
  }

  private async tryReserve(wishes: readonly (Wish & ReturnType<typeof noteOf>)[]): Promise<(Reserved | undefined)[]> {
    const list = wishes.map(({ jobId: job, agreementId: agreement, ...rest }, n) => ({ n, job, agreement, ...rest }));
    const rows = await this.database.query<{ agreement: string | null; records: number; tickets: number | null }>(
      "agreements-reserve",
      RESERVE,
      [JSON.stringify(list), new Date()],
    );
    return rows.map(({ agreement, records, tickets }) =>
      agreement === null ? undefined : { agreementId: agreement, records: Number(records), tickets },
    );
  }

  /**
   * Marks jobs as ended. Free at once is what their tickets cannot have bound: each may have bound all its records, less
   * what the model owner has reported. The rest stays until its reports come, or until `settleAt`. A second call changes nothing.
   */
  async end(jobs: readonly EndedJob[], actor: string): Promise<void> {
    const list = jobs.map(({ jobId: job, agreementId: agreement, tickets, settleAt: settle }) => ({
      job,
      agreement,
      tickets,
      settle,
      actor,
      trace: currentTrace()?.traceId ?? "",
      details: JSON.stringify({ agreement, tickets }),
    }));
    await this.database.query("agreements-end", END, [JSON.stringify(list)]);
  }

  /**
   * Takes the model owners' reports of runs, each once per attempt and run.
   * @returns for each "conflict" where another report of that run was taken, "unknown" where the job has no such reservation
   */
  async report(
    reports: readonly (RunReport & { readonly event: AuditEvent })[],
  ): Promise<("taken" | "known" | "conflict" | "unknown")[]> {
    const list = reports.map(({ agreementId: agreement, jobId: job, event, ...rest }, n) => ({
      n,
      agreement,
      job,
      ...rest,
      ...noteOf(event),
    }));
    const rows = await this.database.query<{ taken: boolean; fits: boolean }>("agreements-report", REPORT, [
      JSON.stringify(list),
    ]);
    return Promise.all(
      rows.map(({ taken, fits }, n) => (taken ? "taken" : fits ? this.compare(reports[n]) : "unknown")),
    );
  }

  private async compare({ attempt, run, ...report }: RunReport): Promise<"known" | "conflict"> {
    const s = schema.runReports;
    const [old] = await this.database.db
      .select()
      .from(s)
      .where(and(eq(s.attempt, attempt), eq(s.run, run)));
    const same = old?.jobId === report.jobId && old.records === report.records && old.revealed === report.revealed;
    return same ? "known" : "conflict";
  }

  /** Reservations of jobs that have not ended, made before `before`, in the order of job ids after `after`. */
  async open(before: Date, after: string): Promise<{ jobId: string; agreementId: string }[]> {
    return this.database.db
      .select({ jobId: r.jobId, agreementId: r.agreementId })
      .from(r)
      .where(and(isNull(r.tickets), lt(r.createdAt, before), gt(r.jobId, after)))
      .orderBy(asc(r.jobId))
      .limit(PAGE);
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
