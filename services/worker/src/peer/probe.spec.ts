import { common, type fleet } from "@parley/proto";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Scene } from "../spec-support/scene.js";

const { FINDING_OUTCOME_FAILED: FAILED, FINDING_OUTCOME_SKIPPED: SKIPPED } = common.FindingOutcome;

describe("a worker that is asked how others are reached", () => {
  let scene: Scene;
  let last = 0n;
  beforeAll(async () => {
    scene = await Scene.start();
  });
  afterAll(() => scene?.close());

  const ask = (point: Scene["a"], idleMs = 20) => {
    point.push({ $case: "probe", value: { probeId: ++last, idleMs } });
    return last;
  };
  const answers = async (point: Scene["a"], id: bigint) => {
    const of = (): fleet.ProbeFindings[] => point.of("probeFindings").filter(({ probeId }) => probeId === id);
    await vi.waitFor(() => expect(of().at(-1)?.done).toBe(true), { timeout: 20_000 });
    return of().flatMap(({ findings }) => findings);
  };
  const of = (all: readonly common.Finding[], target: string) => all.filter((finding) => finding.target === target);

  it("looks at the dealer and the partner's workers, while sessions run", async () => {
    const id = ask(scene.b);
    await scene.expectExact(8);
    const all = await answers(scene.b, id);
    expect(all.filter(({ outcome }) => outcome === FAILED)).toEqual([]);
    expect(of(all, "dealer").at(-1)).toMatchObject({ check: "keepalive", address: scene.dealer.address });
    const partner = of(all, "clinic-a");
    expect(partner.at(-1)).toMatchObject({ check: "keepalive", address: scene.endpoint });
    expect(partner.find(({ check }) => check === "message")).toMatchObject({ value: 1 << 20 });
    expect(partner.find(({ check }) => check === "certificate")!.unit).toBe("days");
  });

  it("looks at the dealer only where it owns the model: it calls no partner", async () => {
    expect(new Set((await answers(scene.a, ask(scene.a))).map(({ target }) => target))).toEqual(new Set(["dealer"]));
  });

  it("makes one probe at a time", async () => {
    const first = ask(scene.b, 500);
    await vi.waitFor(() => expect(scene.b.of("probeFindings").some(({ probeId }) => probeId === first)).toBe(true));
    const [refused] = await answers(scene.b, ask(scene.b));
    expect(refused).toMatchObject({ outcome: SKIPPED, figure: "another probe is under way" });
    await answers(scene.b, first);
  });

  it("says that a partner is not reached, and that another one answers in its place", async () => {
    const { client } = scene.agreement;
    scene.b.setAgreements([{ ...client, peerEndpoints: [scene.dealer.address] }]);
    await vi.waitFor(async () => {
      const found = of(await answers(scene.b, ask(scene.b)), "clinic-a").at(-1);
      expect(found).toMatchObject({ outcome: FAILED, check: "tls" });
    });
    scene.relay.close();
    scene.b.setAgreements([client]);
    await vi.waitFor(async () => {
      const found = of(await answers(scene.b, ask(scene.b)), "clinic-a").at(-1);
      expect(found).toMatchObject({ outcome: FAILED, check: "tcp", address: scene.endpoint });
    });
  }, 30_000);
});
