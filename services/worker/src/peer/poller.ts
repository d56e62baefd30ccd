const LONGEST_MS = 2;

/**
 * Keeps the event loop from sleeping while the peer's answer is expected: waking a sleeping core costs more than a hop.
 * For at most 2 ms after the last message; an idle worker burns nothing.
 */
export class Poller {
  #until = 0;
  #running = false;
  #sessions = 0;

  constructor(private readonly enabled: boolean) {}

  /** A run begins: the time in which polling pays. */
  start(): void {
    this.#sessions++;
    this.sent();
  }

  /** Whether a run is in its online phase. */
  get active(): boolean {
    return this.#sessions > 0;
  }

  stop(): void {
    this.#sessions--;
  }

  sent(): void {
    if (!this.enabled || this.#sessions === 0) return;
    this.#until = performance.now() + LONGEST_MS;
    if (this.#running) return;
    this.#running = true;
    setImmediate(this.turn);
  }

  received(): void {
    this.sent();
  }

  private readonly turn = () => {
    if (this.#sessions > 0 && performance.now() < this.#until) setImmediate(this.turn);
    else this.#running = false;
  };
}
