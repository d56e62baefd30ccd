import { agreements } from "@parley/proto";
import type { AgreementRow, AgreementStateName } from "../store/agreement-store.js";

const { AgreementState } = agreements;

const STATES: Readonly<Record<AgreementStateName, agreements.AgreementState>> = {
  offered: AgreementState.AGREEMENT_STATE_OFFERED,
  active: AgreementState.AGREEMENT_STATE_ACTIVE,
  suspended: AgreementState.AGREEMENT_STATE_SUSPENDED,
  revoked: AgreementState.AGREEMENT_STATE_REVOKED,
  expired: AgreementState.AGREEMENT_STATE_EXPIRED,
};

/** The state that a row has at `now`; it may be past its end before anybody has marked it so. */
export const stateAt = (row: AgreementRow, now: Date): AgreementStateName =>
  row.expires <= now && row.state !== "revoked" ? "expired" : row.state;

export const stateName = (state: agreements.AgreementState): AgreementStateName | undefined =>
  (Object.keys(STATES) as AgreementStateName[]).find((name) => STATES[name] === state);

export const presentAgreement = (row: AgreementRow, now = new Date()): agreements.Agreement => ({
  id: row.id,
  jws: row.jws,
  digest: row.digest,
  state: STATES[stateAt(row, now)],
  modelOwner: row.modelOwner,
  dataOwner: row.dataOwner,
  assetId: row.assetId,
  quota: BigInt(row.quota),
  reserved: BigInt(row.reserved),
  used: BigInt(row.used),
  expires: row.expires,
  createdAt: row.createdAt,
});
