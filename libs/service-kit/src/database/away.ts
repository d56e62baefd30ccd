import { Code, ParleyError } from "@parley/proto";

/** PostgreSQL's own codes for a server that goes, comes, or takes nobody more, and those of a broken way to it. */
const CODES = /^(08...|57P0.|53300|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN)$/;
/** What the driver says without a code. */
const WORDS =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/;

/** True where a statement failed because its database is away, as during its restart; whether a commit was made is not known then. */
export function isDatabaseAway(error: unknown): boolean {
  for (let at = error; at instanceof Error && !(at instanceof ParleyError); at = at.cause) {
    const { code } = at as { code?: unknown };
    if ((typeof code === "string" && CODES.test(code)) || WORDS.test(at.message)) return true;
  }
  return false;
}

/** What callers are told of it, so that they try again. */
export const databaseAway = (cause: unknown) =>
  new ParleyError(
    Code.UNAVAILABLE,
    "DATABASE_UNAVAILABLE",
    "the database of this service is away",
    "Try again. If it lasts, whoever runs the service looks at its database.",
    {},
    { cause },
  );
