/** A model, plan or input that cannot be accepted. The message names the node, layer, row or column; the hint says what to do. Never holds data. */
export class PlanError extends Error {
  override readonly name = "PlanError";
  constructor(
    /** UPPER_SNAKE_CASE, e.g. "UNSUPPORTED_OPERATOR". */
    readonly reason: string,
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}
