import { claimedStatementSigner, isId, verifyStatement } from "@parley/agreement";
import { Code, ParleyError, type agreements } from "@parley/proto";
import type { CallContext } from "@parley/service-kit";
import { presentAgreement } from "../domain/present.js";
import { refusing } from "../domain/refusal.js";
import { callerOf, keyOf, own, type AgreementsDependencies } from "./agreements.rpc.js";

/** Reservations for the scheduler, and the model owner's reports of what was revealed. */
export function quotaHandlers(d: AgreementsDependencies) {
  const scheduler = `${d.domain}/scheduler`;
  return {
    reserve: async (request: agreements.ReserveRequest) => {
      if (!isId("job", request.jobId))
        throw new ParleyError(Code.INVALID_ARGUMENT, "JOB_ID_INVALID", "a job id is job_ and 26 characters");
      return { agreement: presentAgreement(await d.quota.reserve(request, scheduler)) };
    },
    release: async ({ jobId, agreementId, ticketsGiven, lastTicketExpires }: agreements.ReleaseRequest) => {
      const row = await d.store.get(agreementId);
      if (!row) return {}; // nothing was ever reserved
      const settleAt = new Date((lastTicketExpires ?? new Date()).getTime() + d.settleMs);
      await d.reservations.end(
        { jobId, agreementId, tickets: ticketsGiven, settleAt },
        {
          action: "quota.job-ended",
          actor: scheduler,
          subject: jobId,
          details: { agreement: agreementId, tickets: ticketsGiven },
          organisations: [row.modelOwner, row.dataOwner],
        },
      );
      return {};
    },
    reportRun: async ({ report }: agreements.ReportRunRequest, context: CallContext) => {
      const caller = callerOf(context);
      const signer = refusing(() => claimedStatementSigner("run-report", report));
      const { agreement, job, attempt, run, records, revealed } = await verifyReport(d, report, caller);
      const row = await own(d.store, agreement, caller);
      if (signer !== caller || row.modelOwner !== caller)
        throw new ParleyError(
          Code.PERMISSION_DENIED,
          "NOT_MODEL_OWNER",
          `runs under agreement ${agreement} are reported by its model owner ${row.modelOwner} alone`,
        );
      const outcome = await d.reservations.report(
        agreement,
        { jobId: job, attempt, run, records, revealed, statement: report },
        {
          action: revealed ? "run.revealed" : "run.not-revealed",
          actor: caller,
          subject: job,
          details: { agreement, attempt, run, records },
          organisations: [row.modelOwner, row.dataOwner],
        },
      );
      if (outcome === "unknown")
        throw new ParleyError(
          Code.NOT_FOUND,
          "RESERVATION_NOT_FOUND",
          `job ${job} has no reservation of at least ${records} records under agreement ${agreement}`,
        );
      if (outcome === "conflict")
        throw new ParleyError(
          Code.ALREADY_EXISTS,
          "REPORT_DIFFERS",
          `run ${run} of attempt ${attempt} was reported before, and differently`,
          "A run is reported once.",
        );
      return {};
    },
  };
}

async function verifyReport(d: AgreementsDependencies, report: string, caller: string) {
  const payload = report.split(".")[1] ?? "";
  const row = await own(d.store, claimedAgreement(payload), caller);
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
