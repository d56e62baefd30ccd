/** Messages for a stream, in order, until it is closed; what was queued before is still delivered. */
export class MessageQueue<T> implements AsyncIterable<T> {
  readonly #messages: T[] = [];
  #closed = false;
  #wake: () => void = () => {};

  push(message: T): void {
    if (this.#closed) return;
    this.#messages.push(message);
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const next = this.#messages.shift();
      if (next !== undefined) yield next;
      else if (this.#closed) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
