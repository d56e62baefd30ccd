import { piecesOf } from "./link.mjs";

/** Timers of the event loop are late by up to a millisecond or two: the last stretch is polled. */
const POLL_MS = 2;

/** Carries what one socket says to another, late by what the link takes, in order and with back-pressure. */
export class Direction {
  /** Pieces under way: data and the time at which it is due; the last one may be the end. */
  #flying = [];
  #bytes = 0;
  #scheduled = false;
  #blocked = false;

  constructor(from, to, link) {
    this.from = from;
    this.to = to;
    this.link = link;
    from.on("data", (data) => this.#enter(data));
    from.on("end", () => this.#launch({ due: performance.now() + link.delayMs, end: true }));
    to.on("drain", () => {
      this.#blocked = false;
      this.#deliver();
    });
  }

  #enter(data) {
    const now = performance.now();
    for (const piece of piecesOf(data)) {
      this.#bytes += piece.length;
      this.#launch({ due: this.link.arrival(now, piece.length), data: piece });
    }
    if (this.#bytes > this.link.windowBytes) this.from.pause();
  }

  #launch(piece) {
    const last = this.#flying.at(-1);
    this.#flying.push(last ? { ...piece, due: Math.max(piece.due, last.due) } : piece);
    this.#schedule();
  }

  /** Sleeps while the next piece is far from due, polls when it is near; with nothing under way it does nothing. */
  #schedule() {
    if (this.#scheduled || this.#blocked || !this.#flying.length) return;
    this.#scheduled = true;
    const left = this.#flying[0].due - performance.now();
    if (left > POLL_MS) setTimeout(this.#turn, left - POLL_MS);
    else setImmediate(this.#turn);
  }

  #turn = () => {
    this.#scheduled = false;
    this.#deliver();
  };

  #deliver() {
    while (!this.#blocked && this.#flying.length && this.#flying[0].due <= performance.now()) {
      const { data, end } = this.#flying.shift();
      if (this.to.destroyed) return;
      if (end) this.to.end();
      else {
        this.#bytes -= data.length;
        this.#blocked = !this.to.write(data);
      }
    }
    if (this.#bytes <= this.link.windowBytes / 2 && this.from.isPaused()) this.from.resume();
    this.#schedule();
  }
}
