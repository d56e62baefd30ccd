/** Memory that is kept between lots, at most. */
const KEEP_BYTES = 32 << 20;

/**
 * Memory for the corrections of parts that wait for their runs, used again: pages that the system hands out anew cost more
 * than what is written to them.
 */
export class PartMemory {
  readonly #free: Uint8Array[] = [];
  #kept = 0;

  /** @returns zeros */
  take(bytes: number): Uint8Array {
    const at = this.#free.findIndex(({ length }) => length === bytes);
    if (at < 0) return new Uint8Array(bytes);
    this.#kept -= bytes;
    return this.#free.splice(at, 1)[0];
  }

  /** Erases it. Nobody may read it any more. */
  giveBack(memory: Uint8Array): void {
    memory.fill(0);
    while (this.#free.length && this.#kept + memory.length > KEEP_BYTES) this.#kept -= this.#free.shift()!.length;
    if (this.#kept + memory.length > KEEP_BYTES) return;
    this.#free.push(memory);
    this.#kept += memory.length;
  }

  /** A part's corrections as one piece; its memory is given back when the reader is done with it. */
  held(memory: Uint8Array): IterableIterator<Uint8Array> {
    let state: "unread" | "read" | "over" = "unread";
    const end = (): IteratorReturnResult<undefined> => {
      if (state !== "over") this.giveBack(memory);
      state = "over";
      return { done: true, value: undefined };
    };
    return {
      [Symbol.iterator]() {
        return this;
      },
      next: () => {
        if (state !== "unread") return end();
        state = "read";
        return { done: false, value: memory };
      },
      return: end,
    };
  }
}
