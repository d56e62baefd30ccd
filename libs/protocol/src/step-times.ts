import type { Plan } from "@parley/plan";

import type { SessionObserver } from "./observer.js";

/** What one step of a run took at one party. Times are milliseconds, `start` by performance.now(). */
export interface StepTime {
  /** Index into the plan's steps; after the last one, the output is revealed. */
  readonly step: number;
  readonly start: number;
  readonly lasted: number;
  /** Of what it lasted, spent with nothing to do but to wait for the peer. */
  readonly waited: number;
}

/** Fields of a step, one behind the other. */
const [START, END, WAITED, FIELDS] = [0, 1, 2, 3];

/** Notes how long each step of a run takes, in memory that is there before the run begins. */
export class StepTimes implements SessionObserver {
  readonly #fields: Float64Array;
  #current = -1;
  #waitingSince = 0;

  constructor(plan: Plan) {
    this.#fields = new Float64Array(FIELDS * (plan.steps.length + 1));
  }

  entered(step: number): void {
    const now = performance.now();
    if (this.#current >= 0) this.#fields[this.#current * FIELDS + END] = now;
    if (step >= 0) this.#fields[step * FIELDS + START] = now;
    this.#current = step;
  }

  waiting(): void {
    this.#waitingSince = performance.now();
  }

  resumed(): void {
    if (this.#current < 0 || this.#waitingSince === 0) return; // it came at once
    this.#fields[this.#current * FIELDS + WAITED] += performance.now() - this.#waitingSince;
    this.#waitingSince = 0;
  }

  /** The steps that this party entered, in order. One that a failure broke off lasted until `until`, by performance.now(). */
  steps(until = performance.now()): StepTime[] {
    const steps: StepTime[] = [];
    for (let step = 0; step * FIELDS < this.#fields.length; step++) {
      const at = step * FIELDS;
      const [start, end, waited] = this.#fields.subarray(at, at + FIELDS);
      if (start === 0) continue;
      const lasted = (end || until) - start;
      steps.push({ step, start, lasted, waited: Math.min(waited, lasted) });
    }
    return steps;
  }
}
