const LONGEST_MS = 2;

/**
 * Keeps the event loop from sleeping while the peer's answer is expected: waking a sleeping core costs more than a hop.
 * For at most 2 ms after the last message; an idle worker burns nothing.
 */
export class Poller {
  #until = 0;
  #running = false;
  readonly #runs = new Set<{ readonly idle?: () => void }>();

  constructor(private readonly enabled: boolean) {}

  /**
   * A run begins: the time in which polling pays. Call what is returned at its end.
   * @param idle called while nothing comes: for a few microseconds of work
   */
  start(idle?: () => void): () => void {
    const run = { idle };
    this.#runs.add(run);
    this.sent();
    return () => this.#runs.delete(run);
  }

  /** Whether a run is in its online phase. */
  get active(): boolean {
    return this.#runs.size > 0;
  }

  sent(): void {
    if (!this.enabled || this.#runs.size === 0) return;
    this.#until = performance.now() + LONGEST_MS;
    if (this.#running) return;
    this.#running = true;
    setImmediate(this.turn);
  }

  received(): void {
    this.sent();
  }

  private readonly turn = () => {
    this.#running = this.#runs.size > 0 && performance.now() < this.#until;
    if (!this.#running) return;
    for (const { idle } of this.#runs) idle?.();
    setImmediate(this.turn);
  };
}
