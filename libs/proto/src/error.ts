import { Metadata, status as Code, type ServiceError } from "@grpc/grpc-js";
import { ErrorInfo, Status } from "./gen/google/rpc/status.js";

export { Code };

const DETAILS = "grpc-status-details-bin";
const ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo";

/** Names of things (ids, fields, limits); never data, shares or tokens. */
export type ErrorDetails = Readonly<Record<string, string>>;

/** The one error type of services and clients. The message names the thing, the hint the remedy. */
export class ParleyError extends Error {
  override readonly name = "ParleyError";
  constructor(
    readonly code: Code,
    /** UPPER_SNAKE_CASE, for programs. */
    readonly reason: string,
    message: string,
    readonly hint = "",
    readonly details: ErrorDetails = {},
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

type StatusReply = { code: Code; details: string; metadata: Metadata };

/** What a gRPC server answers for an error. An error that is not a {@link ParleyError} becomes INTERNAL without its message, which could hold data. */
export function toServiceError(error: unknown): StatusReply {
  const known =
    error instanceof ParleyError
      ? error
      : new ParleyError(
          Code.INTERNAL,
          "INTERNAL",
          "internal error",
          "The service's log has the details; please report it.",
        );
  const info = ErrorInfo.encode({
    reason: known.reason,
    domain: "parley",
    metadata: { ...known.details, ...(known.hint && { hint: known.hint }) },
  }).finish();
  const metadata = new Metadata();
  const bytes = Status.encode({
    code: known.code,
    message: known.message,
    details: [{ typeUrl: ERROR_INFO, value: Buffer.from(info) }],
  }).finish();
  metadata.set(DETAILS, Buffer.from(bytes));
  return { code: known.code, details: known.message, metadata };
}

const TRANSPORT_HINTS: Partial<Record<Code, string>> = {
  [Code.UNAVAILABLE]: "The service cannot be reached; check the address and that it runs, then try again.",
  [Code.DEADLINE_EXCEEDED]: "The service did not answer in time; try again.",
  [Code.UNAUTHENTICATED]: "Check the API key or certificate of this profile.",
};

const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && typeof (error as Partial<ServiceError>).code === "number" && "details" in error;

/** A connection that ends in the moment a call begins, as where a server stops; grpc-js gives INTERNAL for it. */
const hasNoStatus = ({ code, details }: ServiceError) =>
  code === Code.INTERNAL && details.endsWith("(Call ended without gRPC status)");

/**
 * The {@link ParleyError} behind what grpc-js gives a client. Anything else comes back as INTERNAL with its cause.
 * @param address of the service, named where nobody answers
 */
export function fromServiceError(error: unknown, address = ""): ParleyError {
  if (error instanceof ParleyError) return error;
  if (!isServiceError(error))
    return new ParleyError(
      Code.INTERNAL,
      "INTERNAL",
      error instanceof Error ? error.message : "unknown error",
      "",
      {},
      { cause: error },
    );
  const details = error.details || error.message;
  const code = hasNoStatus(error) ? Code.UNAVAILABLE : error.code;
  const message = address && code === Code.UNAVAILABLE ? `${address} is not reached: ${details}` : details;
  const fallback = new ParleyError(
    code,
    Code[code] ?? "UNKNOWN",
    message,
    TRANSPORT_HINTS[code] ?? "",
    {},
    { cause: error },
  );
  const raw = error.metadata?.get(DETAILS)[0];
  if (!(raw instanceof Uint8Array)) return fallback;
  try {
    const any = Status.decode(raw).details.find((d) => d.typeUrl === ERROR_INFO);
    if (!any) return fallback;
    const { reason, metadata } = ErrorInfo.decode(any.value);
    const { hint = "", ...names } = metadata;
    return new ParleyError(error.code, reason, details, hint, names, { cause: error });
  } catch {
    return fallback;
  }
}
