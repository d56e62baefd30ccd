import { Code, ParleyError } from "@parley/proto";

/** A lot, the first batch of it and its bind may come before they are awaited. */
const MOST_EARLY = 3;

/** Control messages of a session, awaited one at a time. */
export class Inbox<C extends { readonly $case: string }> {
  #waiter: { resolve: (message: C) => void; reject: (error: Error) => void } | undefined;
  #failure: Error | undefined;
  readonly #early: C[] = [];

  /** A control message from the stream. @throws ParleyError where nothing of the kind is expected */
  put(message: C): void {
    if (this.#early.length >= MOST_EARLY) throw unexpected(message.$case);
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (waiter) waiter.resolve(message);
    else this.#early.push(message);
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.#waiter?.reject(this.#failure);
    this.#waiter = undefined;
  }

  /** The next message, which must be of one of these kinds. @throws ParleyError INVALID_ARGUMENT, DEADLINE_EXCEEDED; or what ended the stream */
  async next<K extends C["$case"]>(timeoutMs: number, ...kinds: readonly K[]): Promise<Extract<C, { $case: K }>> {
    const message = this.#early.shift() ?? (await this.wait(kinds.join(" or "), timeoutMs));
    const isOfKind = (m: C): m is Extract<C, { $case: K }> => kinds.some((kind) => kind === m.$case);
    if (!isOfKind(message)) throw unexpected(message.$case, kinds.join(" or "));
    return message;
  }

  private async wait(kind: string, timeoutMs: number): Promise<C> {
    if (this.#failure) throw this.#failure;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<C>((resolve, reject) => {
        this.#waiter = { resolve, reject };
        timer = setTimeout(() => {
          this.#waiter = undefined;
          reject(
            new ParleyError(
              Code.DEADLINE_EXCEEDED,
              "PEER_SILENT",
              `the other worker did not send "${kind}" within ${timeoutMs / 1000} s`,
              "Retried with a new batch.",
            ),
          );
        }, timeoutMs);
      });
    } finally {
      clearTimeout(timer);
    }
  }
}

const unexpected = (got: string, wanted = "no control message") =>
  new ParleyError(
    Code.INVALID_ARGUMENT,
    "SESSION_PEER_MESSAGE",
    `"${got}" came, ${wanted} was expected`,
    "The session has ended; others go on.",
  );
