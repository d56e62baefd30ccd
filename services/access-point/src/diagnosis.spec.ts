import { Findings, common, fleet, type member } from "@parley/proto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FakeWorker } from "./testing/fake-worker.js";
import { Fixture, submit, until } from "./testing/fixture.js";
import { resultOf } from "./testing/run-result.js";

const {
  FINDING_OUTCOME_FAILED: FAILED,
  FINDING_OUTCOME_OK: OK,
  FINDING_OUTCOME_WARNING: WARNING,
} = common.FindingOutcome;
const { PARTY_CLIENT, PARTY_SERVER } = fleet.Party;

describe("what an access point says of itself", () => {
  let system: Fixture;
  let worker: FakeWorker;
  const findings = async (client = system.b.member) => {
    const all: common.Finding[] = [];
    for await (const answer of client.checkConnections({ idleMs: 20 })) all.push(...answer.findings);
    return all;
  };
  const of = (all: readonly common.Finding[], target: string, check: string) =>
    all.find((finding) => finding.target === target && finding.check === check);

  beforeAll(async () => {
    system = await Fixture.start();
  });
  afterAll(async () => {
    worker?.close();
    await system.close();
  });

  it("says what is missing before enrolment", async () => {
    const all = await findings();
    expect(of(all, "router", "enrolment")).toMatchObject({ outcome: FAILED });
    expect(of(all, "dealer", "enrolment")!.hint).toContain("parley org enrol --operator dealer");
    expect(of(all, "clinic-b", "workers")).toMatchObject({ outcome: FAILED, figure: "no worker is attached" });
    expect(of(all, "clinic-b", "certificate")).toMatchObject({ outcome: OK, unit: "days" });
  });

  it("looks at all services, and has its workers look", async () => {
    await system.enrol(system.b);
    worker = (await system.b.worker("b1")).attach();
    await until(() => worker.agreements !== undefined);
    const probed = findings();
    await until(() => worker.probes.length === 1);
    const { probeId, idleMs } = worker.probes[0];
    expect(idleMs).toBe(20);
    const found = [new Findings("worker", "clinic-a", "a:8443").failed("tcp", "port 8443 refuses connections", "Ask.")];
    worker.tell({ $case: "probeFindings", value: { probeId: probeId + 1n, findings: found, done: true } }); // of nobody
    worker.tell({ $case: "probeFindings", value: { probeId, findings: found, done: false } });
    worker.tell({ $case: "probeFindings", value: { probeId, findings: [], done: true } });
    const all = await probed;
    for (const service of ["identity", "registry", "agreements", "scheduler", "dealer"]) {
      expect(of(all, service, "keepalive"), service).toMatchObject({ outcome: OK });
      expect(of(all, service, "bandwidth up")!.value).toBeGreaterThan(0);
      expect(of(all, service, "certificate")).toBeDefined();
    }
    expect(of(all, "dealer", "trust")).toMatchObject({ outcome: WARNING });
    expect(all.filter(({ target }) => target === "clinic-a")).toMatchObject([{ source: "worker b1", outcome: FAILED }]);
    expect(all.filter(({ source, outcome }) => source === "access-point" && outcome === FAILED)).toEqual([]);
  });

  it("says that a worker went away meanwhile", async () => {
    const other = (await system.b.worker("b2")).attach();
    await until(() => other.agreements !== undefined);
    const probed = findings();
    await until(() => other.probes.length === 1 && worker.probes.length === 2);
    worker.tell({ $case: "probeFindings", value: { probeId: worker.probes[1].probeId, findings: [], done: true } });
    other.close();
    expect((await probed).filter(({ source }) => source === "worker b2")).toMatchObject([
      { check: "probe", outcome: FAILED, figure: "the worker went away meanwhile" },
    ]);
  });

  it("is for administrators, one at a time", async () => {
    const { apiKey } = await system.b.member.createApiKey({
      user: "ada",
      roles: ["scientist", "auditor", "publisher"],
    });
    const ada = system.b.as(apiKey);
    await expect(findings(ada)).rejects.toMatchObject({ reason: "ROLE_MISSING" });
    const first = findings();
    await until(() => worker.probes.length === 3);
    await expect(findings()).rejects.toMatchObject({ reason: "CHECK_RUNS" });
    worker.tell({ $case: "probeFindings", value: { probeId: worker.probes[2].probeId, findings: [], done: true } });
    await first;
    ada.close();
  });

  describe("of a job", () => {
    let jobId: string;
    const step = (name: string, party: fleet.Party, startMicros: bigint): fleet.RunStep => ({
      ...{ name, party, startMicros, durationMicros: 300n, messages: 2, bytes: 4096n, waitMicros: 100n },
    });
    const names = ({ steps }: member.GetJobTraceResponse) => steps.map(({ name }) => name);

    beforeAll(async () => {
      await system.enrol(system.a);
      await system.trust(system.a, system.b);
      await system.trust(system.b, system.a);
      const { asset } = await system.publish();
      await system.agree(asset!.id);
      system.router.endpoints.set("clinic-a", ["localhost:7000"]);
      await until(() => system.router.attached("clinic-b") && (worker.agreements?.agreements.length ?? 0) > 0);
      const { job } = await submit(system.b.member, { assetId: asset!.id, values: new Float64Array(784) });
      jobId = job!.id;
      const attempt = await system.router.order(system.router.jobs.get(jobId)!);
      await until(() => worker.orders.length === 1);
      const result = resultOf(worker.orders[0]);
      result.timings!.steps = [
        step("offline.prepare", PARTY_CLIENT, -2_000_000n),
        step("bind", PARTY_CLIENT, 0n),
        step("bind", PARTY_SERVER, 0n),
        step("linear 0", PARTY_SERVER, 400n),
        step("linear 0", PARTY_CLIENT, 400n),
      ];
      await worker.ask({ $case: "runResult", value: result });
      await until(() => system.router.reports.some(({ attemptId }) => attemptId === attempt));
      await until(async () => names(await system.b.member.getJobTrace({ jobId })).includes("report"));
    });

    it("tells its steps and both workers', in one trace", async () => {
      const trace = await system.b.member.getJobTrace({ jobId });
      const { job } = await system.b.member.getJob({ jobId });
      expect(trace).toMatchObject({ traceId: job!.traceId, modelOwner: "clinic-a", dataOwner: "clinic-b", dropped: 0 });
      expect(names(trace)).toEqual(
        expect.arrayContaining(["submit", "accept", "attempt", "ticket", "run", "result stored", "report"]),
      );
      expect(trace.steps[0].name).toBe("offline.prepare");
      expect(
        trace.steps
          .filter(({ name }) => name === "linear 0")
          .map((each) => each.organisation)
          .sort(),
      ).toEqual(["clinic-a", "clinic-b"]);
      expect(trace.steps.find(({ party }) => party === PARTY_SERVER)).toMatchObject({
        ...{ actor: "worker", attempt: 1, run: 0, inRun: true, messages: 2, bytes: 4096n, waitMicros: 100n },
      });
    });

    it("keeps them over a restart, and shows them to whom the job may be shown", async () => {
      const before = names(await system.b.member.getJobTrace({ jobId }));
      await system.b.stop();
      await system.b.start();
      expect(names(await system.b.member.getJobTrace({ jobId }))).toEqual(before);
      const { apiKey } = await system.b.member.createApiKey({ user: "bob", roles: ["scientist"] });
      const bob = system.b.as(apiKey);
      await expect(bob.getJobTrace({ jobId })).rejects.toMatchObject({ reason: "JOB_UNKNOWN" });
      bob.close();
    });
  });
});
