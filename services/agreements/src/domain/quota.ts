import { Code, ParleyError, type agreements } from "@parley/proto";
import type { AgreementRow, AgreementStore } from "../store/agreement-store.js";
import type { ReservationStore } from "../store/reservation-store.js";
import { stateAt } from "./present.js";
import { agreementNotFound, wrongState } from "./refusal.js";
import type { FindOrganisation } from "./signed-agreement.js";

const MOST = 1_000;

/** Reservations as the scheduler asks for them. */
export class Quota {
  private readonly known = new Map<string, AgreementRow>();

  constructor(
    private readonly agreements: AgreementStore,
    private readonly reservations: ReservationStore,
    private readonly find: FindOrganisation,
  ) {}

  /** @throws ParleyError NOT_FOUND, FAILED_PRECONDITION, PERMISSION_DENIED, RESOURCE_EXHAUSTED, ALREADY_EXISTS */
  async reserve(request: agreements.ReserveWish, actor: string, now = new Date()): Promise<AgreementRow> {
    const { jobId, agreementId, records, organisationId } = request;
    const row = await this.signed(agreementId);
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
    const reserved = await this.reservations.reserve(
      { jobId, agreementId, records },
      {
        action: "quota.reserved",
        actor,
        subject: jobId,
        details: { agreement: agreementId, records },
        organisations: [row.modelOwner, row.dataOwner],
      },
    );
    if (!reserved) {
      const after = (await this.agreements.get(agreementId)) ?? row;
      checkRequest(after, request, now);
      throw exhausted(after, records);
    }
    if (reserved.agreementId !== agreementId || reserved.records !== records)
      throw new ParleyError(
        Code.ALREADY_EXISTS,
        "JOB_DIFFERS",
        `job ${jobId} already reserved ${reserved.records} records under agreement ${reserved.agreementId}`,
        "Draw a new job id.",
      );
    if (reserved.tickets !== null)
      throw new ParleyError(Code.FAILED_PRECONDITION, "JOB_ENDED", `job ${jobId} has ended`, "Draw a new job id.");
    return row;
  }

  /**
   * An agreement as both signed it: from then on only its state and its counts change, and those are looked at in the
   * database by the reservation itself. Any other is read anew.
   */
  private async signed(id: string): Promise<AgreementRow | undefined> {
    const known = this.known.get(id);
    if (known) return known;
    const row = await this.agreements.get(id);
    if (row?.state !== "active") return row;
    if (this.known.size >= MOST) this.known.clear();
    this.known.set(id, row);
    return row;
  }
}

function checkRequest(row: AgreementRow, request: agreements.ReserveWish, now: Date) {
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
