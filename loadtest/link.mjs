/** Largest piece that travels as one: a long write arrives bit by bit, as on a real link. */
const PIECE_BYTES = 16 * 1024;

/**
 * When bytes arrive that enter one direction of a link: they leave one after the other at the link's bandwidth, and are
 * under way for its delay.
 */
export class Link {
  #free = 0;

  /**
   * @param delayMs one way
   * @param megabits per second; Infinity for a link without a limit
   */
  constructor(delayMs, megabits) {
    if (!(delayMs >= 0) || !Number.isFinite(delayMs)) throw new RangeError(`a delay of ${delayMs} ms is not possible`);
    if (!(megabits > 0)) throw new RangeError(`a bandwidth of ${megabits} Mbit/s is not possible`);
    this.delayMs = delayMs;
    this.bytesPerMs = megabits * 125;
  }

  /** Bytes that may be under way, and as many again waiting to leave, before the sender is held back. */
  get windowBytes() {
    const underWay = Number.isFinite(this.bytesPerMs) ? this.bytesPerMs * this.delayMs : 0;
    return 2 * Math.max(1 << 20, underWay);
  }

  /** The time, in milliseconds, at which `bytes` that enter at `now` have arrived. */
  arrival(now, bytes) {
    this.#free = Math.max(now, this.#free) + bytes / this.bytesPerMs;
    return this.#free + this.delayMs;
  }
}

/** A buffer in the pieces in which it travels. */
export function* piecesOf(data) {
  for (let at = 0; at < data.length; at += PIECE_BYTES) yield data.subarray(at, at + PIECE_BYTES);
}
