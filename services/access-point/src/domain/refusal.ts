import { AgreementError } from "@parley/agreement";
import { PlanError } from "@parley/plan";
import { Code, ParleyError } from "@parley/proto";

export const invalid = (reason: string, message: string, hint = "") =>
  new ParleyError(Code.INVALID_ARGUMENT, reason, message, hint);
export const notFound = (reason: string, message: string, hint = "") =>
  new ParleyError(Code.NOT_FOUND, reason, message, hint);
export const precondition = (reason: string, message: string, hint = "") =>
  new ParleyError(Code.FAILED_PRECONDITION, reason, message, hint);
export const denied = (reason: string, message: string, hint = "") =>
  new ParleyError(Code.PERMISSION_DENIED, reason, message, hint);

/** Errors of the libraries as what a caller gets: what a plan or input violates is INVALID_ARGUMENT, what a signature or date violates `code`. */
export function asRefusal(error: unknown, code: Code = Code.FAILED_PRECONDITION): unknown {
  if (error instanceof PlanError)
    return new ParleyError(Code.INVALID_ARGUMENT, error.reason, error.message, error.hint, {}, { cause: error });
  if (error instanceof AgreementError)
    return new ParleyError(
      error.reason === "AUTHORITY_UNREACHABLE" ? Code.UNAVAILABLE : code,
      error.reason,
      error.message,
      error.hint,
      {},
      { cause: error },
    );
  return error;
}

/** Runs `work`; its refusals become {@link ParleyError}s. */
export async function refusing<T>(work: () => T | Promise<T>, code?: Code): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asRefusal(error, code);
  }
}
