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
  private readonly deals = new Map<GateStep, Deal>();

  constructor(private readonly plan: Plan) {
    const steps = plan.steps.filter(isGateStep);
    const gates = steps.map((step) => ({ step, gate: gateOf(plan, step), dealer: GATE_DEALERS[step.gate] }));
    const workBytes = Math.max(0, ...gates.map(({ gate, dealer }) => dealer.workBytes(gate)));
    const specs = gates.reduce((sum, { gate, dealer }) => sum + dealer.specBytes(gate), 0);
    this.ring = createRing(workBytes + specs);
    const work = this.ring.alloc(workBytes);
    for (const { step, gate, dealer } of gates) this.deals.set(step, dealer.prepare(this.ring, gate, work));
  }

  /** P1's corrections of one step. */
  corrections(step: GateStep, index: number, keys: BatchKeys, records: number): Generator<Uint8Array> {
    const deal = this.deals.get(step);
    if (!deal) throw new Error(`step "${step.name}" belongs to another plan`);
    return deal({ counts: gateCounts(this.plan, step, records), keys, step: index });
  }

  destroy(): void {
    this.ring.zero();
  }
}
