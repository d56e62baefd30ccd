/** Why something was refused, for programs. */
export type AgreementReason =
  | "ATTEMPT_TICKET_INVALID"
  | "AUTHORITY_MISMATCH"
  | "AUTHORITY_UNREACHABLE"
  | "CERTIFICATE_INVALID"
  | "CERTIFICATE_SIGNING_REQUEST_INVALID"
  | "KEY_INVALID"
  | "NAME_INVALID"
  | "ONE_TIME_TOKEN_EXPIRED"
  | "ONE_TIME_TOKEN_INVALID"
  | "PAYLOAD_NOT_CANONICAL"
  | "SIGNATURE_INVALID"
  | "STATEMENT_INVALID"
  | "TERMS_EXPIRED"
  | "TERMS_INVALID"
  | "TERMS_NOT_YET_VALID";

/** Thrown by every function of this package that refuses its input. The message names the thing, the hint the remedy. */
export class AgreementError extends Error {
  override readonly name = "AgreementError";
  constructor(
    readonly reason: AgreementReason,
    message: string,
    readonly hint = "",
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
