import { fleet } from "@parley/proto";
import { describe, expect, it } from "vitest";
import { MOST_RUN_STEPS, placeRunSteps, readRunSteps } from "./run-steps.js";

const { PARTY_CLIENT, PARTY_SERVER } = fleet.Party;
const step = (name: string, more: Partial<fleet.RunStep> = {}): fleet.RunStep => ({
  ...{ name, startMicros: 0n, durationMicros: 1_000n, messages: 1, bytes: 64n, waitMicros: 400n, party: PARTY_CLIENT },
  ...more,
});

describe("readRunSteps", () => {
  it("takes names and counts", () => {
    expect(readRunSteps([step("linear 0", { startMicros: -5_000n, party: PARTY_SERVER })])).toEqual([
      { name: "linear 0", start: -0.005, lasted: 0.001, waited: 0.0004, messages: 1, bytes: 64, party: 0 },
    ]);
  });

  it.each([
    ["a name that could hold data", step("x=[0.5,0.25]")],
    ["a name of another length", step("a".repeat(65))],
    ["a terminal's control characters", step("bind\u001b[2J")],
    ["no party", step("bind", { party: fleet.Party.PARTY_UNSPECIFIED })],
    ["a wait longer than itself", step("bind", { waitMicros: 1_001n })],
    ["a year", step("bind", { durationMicros: 10n ** 14n })],
  ])("leaves out what has %s", (_, bad) => {
    expect(readRunSteps([bad, step("reveal")]).map(({ name }) => name)).toEqual(["reveal"]);
  });

  it("takes no more than there may be", () => {
    expect(readRunSteps(Array.from({ length: 5_000 }, () => step("relu 1")))).toHaveLength(MOST_RUN_STEPS);
  });
});

describe("placeRunSteps", () => {
  it("puts both parties' steps between what was sent and what came back, without comparing clocks", () => {
    const steps = readRunSteps([
      step("bind", { durationMicros: 4_000n }),
      step("bind", { durationMicros: 2_000n, party: PARTY_SERVER }),
      step("linear 0", { startMicros: 4_000n }),
      step("linear 0", { startMicros: 3_000n, party: PARTY_SERVER }),
    ]);
    const placed = placeRunSteps(steps, {
      ...{ sent: 100, received: 100.02, attempt: "att_1", run: 2, client: "clinic-b", server: "clinic-a" },
      timings: { bindMicros: 4_000, onlineMicros: 6_000 },
    });
    // 20 ms, of which 10 are bind and online: 5 ms on each way
    const at = placed.map((each) => Math.round((each.at - 100) * 1e6));
    expect(at).toEqual([5_000, 6_000, 9_000, 9_000]);
    expect(placed.map(({ organisation }) => organisation)).toEqual(["clinic-b", "clinic-a", "clinic-b", "clinic-a"]);
    expect(placed[0]).toMatchObject({ actor: "worker", attempt: "att_1", run: 2, name: "bind" });
  });
});
