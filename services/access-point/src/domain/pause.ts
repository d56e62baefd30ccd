/** Waits; ends early, without an error, when the signal aborts. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });

/** Doubling waits from 200 ms to 10 s. */
export class Backoff {
  private next = 200;
  reset() {
    this.next = 200;
  }
  async wait(signal?: AbortSignal) {
    const ms = this.next;
    this.next = Math.min(ms * 2, 10_000);
    await pause(ms, signal);
  }
}
