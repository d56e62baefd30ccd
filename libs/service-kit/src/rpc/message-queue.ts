/** Messages pushed from anywhere, read in order by one reader. */
export class MessageQueue<T> implements AsyncIterable<T> {
  private readonly messages: T[] = [];
  private ended = false;
  private wake: (() => void) | undefined;

  push(message: T) {
    if (this.ended) return;
    this.messages.push(message);
    this.wake?.();
  }

  /** Ends the reading after what was pushed. */
  end() {
    this.ended = true;
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for (;;) {
      while (this.messages.length > 0) yield this.messages.shift()!;
      if (this.ended) return;
      await new Promise<void>((resolve) => (this.wake = resolve));
      this.wake = undefined;
    }
  }
}
