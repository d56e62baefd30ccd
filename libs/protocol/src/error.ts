/** Why a session ended. */
export type SessionFailure =
  /** The peer sent a step that the schedule does not have at this point, or of another length. */
  | "PEER_MESSAGE"
  /** The peer's transcript differs: the two saw different bytes. */
  | "TRANSCRIPT"
  /** The stream ended before the session did. */
  | "CLOSED"
  /** This side stopped it: revocation, a refused reveal, destroy(). */
  | "STOPPED"
  /** prepare() or run() called twice or out of order. */
  | "STATE"
  /** Plan, weights, input or correlations do not fit each other. */
  | "INVALID";

/** The end of a session. Its batch is dead: a retry needs a new one. Holds no share, weight or input. */
export class SessionError extends Error {
  override readonly name = "SessionError";
  constructor(
    readonly failure: SessionFailure,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
