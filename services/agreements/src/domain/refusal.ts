import { AgreementError } from "@parley/agreement";
import { Code, ParleyError } from "@parley/proto";

const CODES: Partial<Record<AgreementError["reason"], Code>> = {
  SIGNATURE_INVALID: Code.PERMISSION_DENIED,
  TERMS_EXPIRED: Code.FAILED_PRECONDITION,
  TERMS_NOT_YET_VALID: Code.FAILED_PRECONDITION,
};

/** Runs a check of signed text; what it refuses becomes the caller's error. */
export function refusing<T>(check: () => T): T {
  try {
    return check();
  } catch (cause) {
    if (!(cause instanceof AgreementError)) throw cause;
    const code = CODES[cause.reason] ?? Code.INVALID_ARGUMENT;
    throw new ParleyError(code, cause.reason, cause.message, cause.hint, {}, { cause });
  }
}

export const agreementNotFound = (id: string) =>
  new ParleyError(
    Code.NOT_FOUND,
    "AGREEMENT_NOT_FOUND",
    `there is no agreement ${id.slice(0, 60)} of this organisation`,
    "List them with `parley agreement list`.",
  );

export const wrongState = (id: string, state: string, needed: string) =>
  new ParleyError(
    Code.FAILED_PRECONDITION,
    "AGREEMENT_STATE",
    `agreement ${id} is ${state}, not ${needed}`,
    state === "offered"
      ? "The other organisation accepts it with `parley agreement accept`."
      : "Offer a new agreement.",
  );
