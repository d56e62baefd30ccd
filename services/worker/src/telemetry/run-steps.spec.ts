import { cost } from "@parley/plan";
import { fleet, type peer } from "@parley/proto";
import { describe, expect, it } from "vitest";
import type { WorkingAgreement } from "../models/agreement.js";
import { densePlan } from "../spec-support/network.js";
import { PartnerSteps } from "./partner-steps.js";
import { RunRecord } from "./run-record.js";
import { compactSteps, inOrder, ownSteps, partnerSteps } from "./run-steps.js";

const agreement = { plan: densePlan, party: 0 } as unknown as WorkingAgreement;
const prepared = { start: performance.now() - 60_000, lasted: 5, trace: { traceId: "", spanId: "", sampled: true } };
const BATCH = Buffer.alloc(16, 7);
const RECORDS = 8;

/** As an honest worker tells it, of a run of which it entered all steps. */
function told(changes: Partial<peer.Steps> = {}): peer.Steps {
  const record = new RunRecord(agreement, RECORDS, prepared, true);
  record.bound();
  for (const step of [0, 1, 2, 3, -1]) record.times?.entered(step);
  return { ...compactSteps(record, BATCH), ...changes };
}
const asP1 = new RunRecord({ ...agreement, party: 1 }, RECORDS, prepared, true);
const names = (steps: readonly fleet.RunStep[]) => steps.map(({ name }) => name);
const ALL = ["offline.prepare", "bind", "linear 0", "relu 1", "linear 2", "reveal"];

describe("a partner's steps", () => {
  it("are named, and have the messages and bytes, as the plan says", () => {
    const steps = partnerSteps(told({ durationMicros: [9, 9, 9, 9] }), asP1);
    expect(names(steps)).toEqual(ALL);
    expect(steps.every(({ party }) => party === fleet.Party.PARTY_SERVER)).toBe(true);
    expect(steps.reduce((sum, { bytes }) => sum + bytes, 0n)).toBe(BigInt(cost(densePlan, RECORDS).online.p0ToP1));
    expect(steps[0].startMicros).toBeLessThan(-59_000_000n);
  });

  it.each<[string, Partial<peer.Steps>]>([
    ["fewer steps than the plan has", { startMicros: [1, 2, 3] }],
    ["more", { waitMicros: [1, 2, 3, 4, 5] }],
    ["none", { durationMicros: [] }],
    ["a time of more than an hour", { bindMicros: 4_000_000_000 }],
    ["what is no time", { offlineMicros: Number.NaN }],
    ["a time before the binding", { startMicros: [-1, 0, 0, 0] }],
  ])("are left out where they state %s", (_, changes) => {
    expect(partnerSteps(told(changes), asP1)).toEqual([]);
  });

  it("wait no longer than they last, whatever is stated", () => {
    const steps = partnerSteps(told({ durationMicros: [5, 5, 5, 5], waitMicros: [9, 9, 9, 9] }), asP1);
    expect(steps.every(({ waitMicros, durationMicros }) => waitMicros <= durationMicros)).toBe(true);
  });

  it("of another batch are not taken, and none are waited for long", async () => {
    const steps = new PartnerSteps(BATCH);
    steps.put(told({ batchId: Buffer.alloc(16, 8) }));
    expect(await steps.within(5)).toBeUndefined();
    steps.put(told());
    expect((await steps.within(1_000))?.batchId).toEqual(BATCH);
  });
});

describe("the own steps", () => {
  it("come in order, the preparation first", () => {
    const record = new RunRecord(agreement, RECORDS, prepared, true);
    for (const step of [0, 1, 2, 3, -1]) record.times?.entered(step);
    expect(names(inOrder(ownSteps(record).toReversed()))[0]).toBe("offline.prepare");
    expect(names(ownSteps(record))).toEqual(ALL);
  });

  it("are not told of a run of which nobody wants to know", () => {
    expect(names(ownSteps(new RunRecord(agreement, RECORDS, prepared, false)))).toEqual(["offline.prepare", "bind"]);
  });
});
