import { claimedStatementSigner, isId, verifyStatement } from "@parley/agreement";
import { Code, ParleyError, type agreements } from "@parley/proto";
import { answerEach, type AuditEvent, type CallContext } from "@parley/service-kit";
import type { AgreementRow } from "../store/agreement-store.js";
import type { RunReport } from "../store/reservation-store.js";
import { presentAgreement } from "../domain/present.js";
import { refusing } from "../domain/refusal.js";
import { callerOf, keyOf, own, type AgreementsDependencies } from "./agreements.rpc.js";

/** Reservations for the scheduler, and the model owner's reports of what was revealed. */
export function quotaHandlers(d: AgreementsDependencies) {
  const scheduler = `${d.domain}/scheduler`;
  return {
    reserve: (requests: AsyncIterable<agreements.ReserveRequest>, { signal }: CallContext) =>
      answerEach(requests, signal, (request) => reserveAll(d, request, scheduler)),
    release: async ({ jobs }: agreements.ReleaseRequest) => {
      requireFew(jobs);
      await d.reservations.end(
        jobs.map(({ jobId, agreementId, ticketsGiven: tickets, lastTicketExpires }) => {
          const settleAt = new Date((lastTicketExpires ?? new Date()).getTime() + d.settleMs);
          return { jobId, agreementId, tickets, settleAt };
        }),
        scheduler,
      );
      return {};
    },
    listReservations: async ({ before, after }: agreements.ListReservationsRequest) => ({
      reservations: await d.reservations.open(before ?? new Date(), after),
    }),
    reportRuns: async ({ reports }: agreements.ReportRunsRequest, context: CallContext) => {
      requireFew(reports);
      const caller = callerOf(context);
      const rows = new Map<string, Promise<AgreementRow>>();
      const find = (id: string) => {
        const row = rows.get(id) ?? own(d.store, id, caller);
        rows.set(id, row);
        return row;
      };
      const outcomes: agreements.ReportOutcome[] = [];
      const good: { index: number; report: Awaited<ReturnType<typeof readReport>> }[] = [];
      for (const [index, text] of reports.entries())
        try {
          outcomes.push(TAKEN);
          good.push({ index, report: await readReport(find, text, caller) });
        } catch (error) {
          if (!(error instanceof ParleyError)) throw error;
          outcomes[index] = outcomeOf(error);
        }
      const answers = good.length === 0 ? [] : await d.reservations.report(good.map(({ report }) => report));
      for (const [n, answer] of answers.entries()) {
        const { index, report } = good[n];
        if (answer === "unknown" || answer === "conflict") outcomes[index] = outcomeOf(refusalOf(answer, report));
      }
      return { outcomes };
    },
  };
}

async function reserveAll(
  d: AgreementsDependencies,
  { wishes, known }: agreements.ReserveRequest,
  scheduler: string,
): Promise<agreements.ReserveResponse> {
  requireFew(wishes);
  const held = new Set(known);
  const rows = new Map<string, AgreementRow>();
  const answers = await Promise.all(
    wishes.map(async (wish) => {
      try {
        const row = await reserveOne(d, wish, scheduler);
        if (!held.has(row.id)) rows.set(row.id, row);
        return { ...TAKEN, details: {} };
      } catch (error) {
        if (!(error instanceof ParleyError)) throw error;
        return { ...outcomeOf(error), details: { ...error.details } };
      }
    }),
  );
  return { answers, agreements: [...rows.values()].map((row) => presentAgreement(row)) };
}

async function reserveOne(d: AgreementsDependencies, wish: agreements.ReserveWish, scheduler: string) {
  if (!isId("job", wish.jobId))
    throw new ParleyError(Code.INVALID_ARGUMENT, "JOB_ID_INVALID", "a job id is job_ and 26 characters");
  return d.quota.reserve(wish, scheduler);
}

const MOST = 1000;

function requireFew(list: readonly unknown[]) {
  if (list.length > MOST)
    throw new ParleyError(Code.INVALID_ARGUMENT, "TOO_MANY", `at most ${MOST} are taken in one call`);
}

const TAKEN: agreements.ReportOutcome = { code: Code.OK, reason: "", message: "", hint: "" };
const outcomeOf = ({ code, reason, message, hint }: ParleyError) => ({ code, reason, message, hint });

const refusalOf = (answer: "unknown" | "conflict", { agreementId, jobId, attempt, run, records }: RunReport) =>
  answer === "unknown"
    ? new ParleyError(
        Code.NOT_FOUND,
        "RESERVATION_NOT_FOUND",
        `job ${jobId} has no reservation of at least ${records} records under agreement ${agreementId}`,
      )
    : new ParleyError(
        Code.ALREADY_EXISTS,
        "REPORT_DIFFERS",
        `run ${run} of attempt ${attempt} was reported before, and differently`,
        "A run is reported once.",
      );

/** A report of the caller about an agreement whose model it owns. @throws ParleyError */
async function readReport(
  find: (id: string) => Promise<AgreementRow>,
  statement: string,
  caller: string,
): Promise<RunReport & { event: AuditEvent }> {
  const signer = refusing(() => claimedStatementSigner("run-report", statement));
  const { agreement, job, attempt, run, records, revealed } = await verifyReport(find, statement, caller);
  const row = await find(agreement);
  if (signer !== caller || row.modelOwner !== caller)
    throw new ParleyError(
      Code.PERMISSION_DENIED,
      "NOT_MODEL_OWNER",
      `runs under agreement ${agreement} are reported by its model owner ${row.modelOwner} alone`,
    );
  const event = {
    action: revealed ? "run.revealed" : "run.not-revealed",
    actor: caller,
    subject: job,
    details: { agreement, attempt, run, records },
    organisations: [row.modelOwner, row.dataOwner],
  };
  return { agreementId: agreement, jobId: job, attempt, run, records, revealed, statement, event };
}

async function verifyReport(find: (id: string) => Promise<AgreementRow>, report: string, caller: string) {
  const payload = report.split(".")[1] ?? "";
  const row = await find(claimedAgreement(payload));
  return refusing(() => verifyStatement("run-report", report, keyOf(row, caller))).body;
}

/** The agreement that an unverified report names: only to find the key to verify it with. */
function claimedAgreement(payload: string): string {
  try {
    const body: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
    const { agreement } = body as { agreement?: unknown };
    return typeof agreement === "string" ? agreement : "";
  } catch {
    return "";
  }
}
