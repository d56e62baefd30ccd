import { Code, ParleyError, type agreements } from "@parley/proto";
import type { AgreementRow, AgreementStore } from "../store/agreement-store.js";
import type { ReservationStore } from "../store/reservation-store.js";
import { stateAt } from "./present.js";
import { agreementNotFound, wrongState } from "./refusal.js";
import type { FindOrganisation } from "./signed-agreement.js";

/** Reservations as the scheduler asks for them. */
export class Quota {
  constructor(
    private readonly agreements: AgreementStore,
    private readonly reservations: ReservationStore,
    private readonly find: FindOrganisation,
  ) {}

  /** @throws ParleyError NOT_FOUND, FAILED_PRECONDITION, PERMISSION_DENIED, RESOURCE_EXHAUSTED, ALREADY_EXISTS */
  async reserve(request: agreements.ReserveRequest, actor: string, now = new Date()): Promise<AgreementRow> {
    const { jobId, agreementId, records, organisationId } = request;
    const row = await this.agreements.get(agreementId);
    if (!row || row.dataOwner !== organisationId) throw agreementNotFound(agreementId);
    checkRequest(row, request, now);
    for (const org of [row.modelOwner, row.dataOwner])
      if (!this.find(org))
        throw new ParleyError(
          Code.FAILED_PRECONDITION,
          "ORGANISATION_NOT_ENROLLED",
          `${org}, a party of agreement ${agreementId}, was revoked at this router`,
          "Ask the router's operator.",
        );
    const reservation = await this.reservations.reserve({ jobId, agreementId, records }, now, {
      action: "quota.reserved",
      actor,
      subject: jobId,
      details: { agreement: agreementId, records },
      organisations: [row.modelOwner, row.dataOwner],
    });
    const after = (await this.agreements.get(agreementId)) ?? row;
    if (!reservation) {
      checkRequest(after, request, now);
      throw exhausted(after, records);
    }
    const { agreementId: reservedUnder, records: reserved, tickets } = reservation.row;
    if (reservedUnder !== agreementId || reserved !== records)
      throw new ParleyError(
        Code.ALREADY_EXISTS,
        "JOB_DIFFERS",
        `job ${jobId} already reserved ${reserved} records under agreement ${reservedUnder}`,
        "Draw a new job id.",
      );
    if (tickets !== null)
      throw new ParleyError(Code.FAILED_PRECONDITION, "JOB_ENDED", `job ${jobId} has ended`, "Draw a new job id.");
    return after;
  }
}

function checkRequest(row: AgreementRow, request: agreements.ReserveRequest, now: Date) {
  const state = stateAt(row, now);
  if (state !== "active") throw wrongState(row.id, state, "active");
  const refuse = (reason: string, message: string, hint = "") =>
    new ParleyError(Code.FAILED_PRECONDITION, reason, `agreement ${row.id} ${message}`, hint);
  if (row.notBefore > now) throw refuse("AGREEMENT_NOT_BEGUN", `begins at ${row.notBefore.toISOString()}`);
  if (row.operation !== request.operation) throw refuse("OPERATION_NOT_AGREED", `does not permit this operation`);
  if (row.assetId !== request.assetId)
    throw refuse(
      "ASSET_NOT_AGREED",
      `is about asset ${row.assetId}, not the one asked for`,
      "Name the agreement's asset.",
    );
  if (request.records < 1)
    throw new ParleyError(Code.INVALID_ARGUMENT, "RECORDS_INVALID", "a job has at least one record");
}

function exhausted(row: AgreementRow, records: number) {
  const left = Math.max(0, row.quota - row.used - row.reserved);
  return new ParleyError(
    Code.RESOURCE_EXHAUSTED,
    "QUOTA_EXHAUSTED",
    `agreement ${row.id} has ${left} of ${row.quota} records left (${row.used} used, ${row.reserved} reserved); the job has ${records}`,
    "Submit fewer records, or agree on more with `parley agreement offer`.",
    { left: String(left), quota: String(row.quota) },
  );
}
