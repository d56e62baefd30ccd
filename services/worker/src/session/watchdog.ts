/** Calls back where nothing happened for a time. */
export class Watchdog {
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly onSilence: () => void) {}

  /** Starts anew. */
  arm(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.onSilence, ms);
    this.#timer.unref();
  }

  disarm(): void {
    clearTimeout(this.#timer);
  }
}
