/** Places of the attempts that an access point runs at once, given in the order in which they were asked for. */
export class Slots {
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(private readonly most: number) {}

  /** Takes a place now, where one is free and nobody waits for it. */
  tryTake(): boolean {
    if (this.#taken >= this.most || this.#waiting.length > 0) return false;
    this.#taken++;
    return true;
  }

  async take(): Promise<void> {
    if (!this.tryTake()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#taken--;
  }
}
