import { gateCounts, gateOf, isGateStep } from "@parley/plan";
import type { GateStep, Plan } from "@parley/plan";
import { createRing } from "@parley/ring";
import type { Ring } from "@parley/ring";

import { GATE_DEALERS } from "./gate-dealer.js";
import type { Deal } from "./gate-dealer.js";
import type { BatchKeys } from "./key-derivation.js";

/** Deals all gates of a plan in a memory of their own. */
export class GateDealing {
  private readonly ring: Ring;
  private readonly work: number;
  private readonly workBytes: number;
  private readonly deals = new Map<GateStep, Deal>();

  constructor(private readonly plan: Plan) {
    const steps = plan.steps.filter(isGateStep);
    const gates = steps.map((step) => ({ step, gate: gateOf(plan, step), dealer: GATE_DEALERS[step.gate] }));
    this.workBytes = Math.max(0, ...gates.map(({ gate, dealer }) => dealer.workBytes(gate)));
    const specs = gates.reduce((sum, { gate, dealer }) => sum + dealer.specBytes(gate), 0);
    this.ring = createRing(this.workBytes + specs);
    this.work = this.ring.alloc(this.workBytes);
    for (const { step, gate, dealer } of gates) this.deals.set(step, dealer.prepare(this.ring, gate, this.work));
  }

  /** P1's corrections of one step. What the work leaves in memory is erased when the step ends, or its reader goes. */
  *corrections(step: GateStep, index: number, keys: BatchKeys, records: number): Generator<Uint8Array> {
    const deal = this.deals.get(step);
    if (!deal) throw new Error(`step "${step.name}" belongs to another plan`);
    try {
      yield* deal({ counts: gateCounts(this.plan, step, records), keys, step: index });
    } finally {
      this.ring.u8(this.work, this.workBytes).fill(0);
    }
  }

  destroy(): void {
    this.ring.zero();
  }
}
