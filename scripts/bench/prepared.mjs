import { setTimeout as pause } from "node:timers/promises";
import { cost } from "../../libs/plan/dist/index.js";

/** What is left of the calls of a preparation has ended by then. */
const SETTLE_MS = 5;

const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);

/** Streams with prepared runs, as many as memory allows, and the runs of a batch on them. */
export class Prepared {
  #ready = [];
  #spent = [];
  #next = 0;

  /** @param runs record counts of the runs that make up a batch */
  constructor(sessions, runs, holdBytes, clock) {
    this.sessions = sessions;
    this.runs = runs;
    this.clock = clock;
    const bytes = Math.max(...runs.map((n) => cost(sessions.plan, n).offline.dealerToP1));
    this.most = Math.max(1, Math.floor(holdBytes / bytes));
  }

  /** Prepares the runs of at most `count` batches; @returns records prepared, and the time it took */
  async fill(count) {
    const started = performance.now();
    let records = 0;
    const wanted = Math.min(this.most, count * this.runs.length) - this.#ready.length;
    for (let i = 0; i < wanted; i++) {
      const size = this.runs[(this.#next + this.#ready.length) % this.runs.length];
      this.#ready.push(await this.#stream(size));
      records += size;
    }
    await Promise.all(this.#ready.map((stream) => stream.settled()));
    const ms = performance.now() - started;
    await pause(SETTLE_MS);
    return { records, ms };
  }

  async #stream(size) {
    const at = this.#spent.findIndex(({ records }) => records === size);
    if (at < 0) return this.sessions.open(size);
    const [stream] = this.#spent.splice(at, 1);
    await stream.prepareNext();
    return stream;
  }

  /** One batch, run after run, each on a run prepared before. Preparing where none is left is not counted. */
  async runBatch(sample) {
    const sum = { onlineMs: 0, bindMs: 0, messages: 0, p1ToP0: 0, p0ToP1: 0, equal: true };
    for (const { input, expected } of sample) {
      if (!this.#ready.length) await this.fill(1);
      const stream = this.#ready.shift();
      this.#next = (this.#next + 1) % this.runs.length;
      this.clock?.start();
      const outcome = await stream.run(input);
      this.clock?.stop();
      this.#spent.push(stream);
      sum.onlineMs += outcome.onlineMicros / 1000;
      sum.bindMs += outcome.bindMicros / 1000;
      sum.messages += outcome.messages;
      sum.p1ToP0 += outcome.bytesP1ToP0;
      sum.p0ToP1 += outcome.bytesP0ToP1;
      sum.equal &&= same(outcome.output, expected);
    }
    return sum;
  }

  /** Milliseconds of the batch's messages without computation, on a stream whose run is over. */
  async dryBatch() {
    let micros = 0;
    for (const size of this.runs) micros += await this.#spent.find(({ records }) => records === size).dryMicros();
    return micros / 1000;
  }

  /**
   * Runs one at a time, one after the other, at steady state: while one runs, the streams whose run is over prepare their
   * next. @returns records, milliseconds, and whether all results were right
   */
  async sustain(ms, streams, samples) {
    const size = this.runs[0];
    const queue = [];
    for (let i = 0; i < streams; i++) queue.push(this.#stream(size));
    await Promise.all(queue);
    const parts = samples.flat().filter(({ records }) => records === size);
    let runs = 0;
    let equal = true;
    const one = async () => {
      const stream = await queue.shift();
      const { input, expected } = parts[runs++ % parts.length];
      const { output } = await stream.run(input);
      queue.push(stream.prepareNext().then(() => stream));
      equal &&= same(output, expected);
    };
    for (let i = 0; i < 2 * streams; i++) await one(); // until preparing and running keep pace
    runs = 0;
    const started = performance.now();
    while (performance.now() - started < ms || runs < 3) await one();
    const took = performance.now() - started;
    this.#spent.push(...(await Promise.all(queue)));
    return { records: runs * size, ms: took, equal };
  }
}
