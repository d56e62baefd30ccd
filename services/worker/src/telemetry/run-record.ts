import { StepTimes } from "@parley/protocol";
import type { TraceContext } from "@parley/service-kit";
import type { WorkingAgreement } from "../models/agreement.js";

/** How a session was prepared. Times are milliseconds by performance.now(). */
export interface Preparation {
  readonly start: number;
  readonly lasted: number;
  /** Of its span, to which the run's is linked. */
  readonly trace: TraceContext;
}

/** A time by performance.now(), milliseconds. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** What a run took at one party, noted as it goes: nothing of it is told before the run is over. */
export class RunRecord {
  /** The ticket's binding, at this party. */
  bind: Stretch;
  online: Stretch | undefined;
  sentBytes = 0;
  receivedBytes = 0;
  messages = 0;
  /** What the session tells of its steps; only where somebody wants to know. */
  readonly times: StepTimes | undefined;

  constructor(
    readonly agreement: WorkingAgreement,
    readonly records: number,
    readonly prepared: Preparation,
    wantsSteps: boolean,
  ) {
    const now = performance.now();
    this.bind = { start: now, end: now };
    this.times = wantsSteps ? new StepTimes(agreement.plan) : undefined;
  }

  get party(): "p0" | "p1" {
    return this.agreement.party === 0 ? "p0" : "p1";
  }

  bound(): void {
    this.bind = { start: this.bind.start, end: performance.now() };
  }
}
