/** A command line that cannot be right; exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  constructor(
    message: string,
    readonly hint = "See parley --help.",
  ) {
    super(message);
  }
}
