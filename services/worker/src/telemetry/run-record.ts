import { StepTimes, trafficOfSteps, type StepTime, type Traffic } from "@parley/protocol";
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
  /** Messages of the schedule that have passed. */
  passed = 0;
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

  bound(): void {
    this.bind = { start: this.bind.start, end: performance.now() };
  }

  /** The online phase begins. */
  begin(): void {
    const now = performance.now();
    this.online = { start: now, end: now };
  }

  /** The run is over, for good or not. */
  finish(): void {
    if (this.online) this.online = { start: this.online.start, end: performance.now() };
  }

  /** Messages and bytes of each step, of those that have passed: sent by this party, and by the other. */
  traffic(): { sent: Traffic[]; received: Traffic[] } {
    const { agreement, records, passed } = this;
    const of = (party: 0 | 1) => trafficOfSteps(agreement.plan, records, party, passed);
    return agreement.party === 0 ? { sent: of(0), received: of(1) } : { sent: of(1), received: of(0) };
  }

  /** The steps that were taken; one that a failure broke off lasted until the run was over. */
  steps(): StepTime[] {
    return this.times?.steps(this.online?.end) ?? [];
  }
}
