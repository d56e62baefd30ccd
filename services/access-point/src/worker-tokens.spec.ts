import { Code } from "@parley/proto";
import { createLogger } from "@parley/service-kit";
import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestAccessPoint } from "./testing/fixture.js";
import { FakeWorker } from "./testing/fake-worker.js";

const REFUSED = expect.objectContaining({ reason: "WORKER_TOKEN_REFUSED", code: Code.PERMISSION_DENIED });

describe("workers' tokens", () => {
  const a = new TestAccessPoint("clinic-a", createLogger("test", "silent"));
  beforeAll(() => a.start());
  afterAll(async () => {
    await a.stop();
    a.remove();
  });
  const audited = async (action: string) => {
    const { entries } = await a.member.listAudit({ subject: "", page: { limit: 1000, token: "" } });
    const found = entries.filter((entry) => entry.action === action);
    return found.map(({ details }) => JSON.parse(String(details)) as Record<string, unknown>);
  };

  it("that are reusable give each worker a certificate of its own, and each use is in the audit log", async () => {
    const { token } = await a.member.createWorkerToken({ validSeconds: 60, reusable: true });
    const workers = [await FakeWorker.enrol(token, "w1"), await FakeWorker.enrol(token, "w2")];
    const serials = workers.map(({ leaf }) => new X509Certificate(leaf).serialNumber);
    expect(new Set(serials).size).toBe(2);
    const [made] = await audited("worker.token-created");
    expect(made).toMatchObject({ reusable: true });
    const worker = expect.stringMatching(/^wrk_[0-9a-f]{12}$/);
    const enrolled = await audited("worker.enrolled");
    expect(enrolled).toEqual([1, 2].map(() => ({ token: made.token, worker })));
    expect(enrolled[0].worker).not.toBe(enrolled[1].worker);
    expect(token).not.toContain(String(made.token));
    workers.forEach((worker) => worker.close());
  });

  it("end where they are revoked, those that were never used as well; later ones are good", async () => {
    const { token: reusable } = await a.member.createWorkerToken({ validSeconds: 60, reusable: true });
    const { token: unused } = await a.member.createWorkerToken({ validSeconds: 60, reusable: false });
    const before = await FakeWorker.enrol(reusable, "w3");
    expect((await a.member.revokeWorkerTokens({})).revoked).toBe(3); // and the one of the test before
    for (const token of [reusable, unused]) await expect(FakeWorker.enrol(token, "w")).rejects.toEqual(REFUSED);
    expect((await a.member.revokeWorkerTokens({})).revoked).toBe(0);
    expect(await audited("worker.tokens-revoked")).toEqual([{ revoked: 3 }, { revoked: 0 }]);
    const { token } = await a.member.createWorkerToken({ validSeconds: 60, reusable: false });
    (await FakeWorker.enrol(token, "w4")).close();
    before.close();
  });

  it("last a month at most, and are for administrators to make and revoke", async () => {
    const { expires } = await a.member.createWorkerToken({ validSeconds: 365 * 86_400, reusable: true });
    expect(expires!.getTime()).toBeLessThanOrEqual(Date.now() + 30 * 86_400_000);
    const { apiKey } = await a.member.createApiKey({ user: "ana", roles: ["scientist", "publisher", "auditor"] });
    const ana = a.as(apiKey);
    const roleMissing = expect.objectContaining({ reason: "ROLE_MISSING" });
    await expect(ana.createWorkerToken({ validSeconds: 1, reusable: true })).rejects.toEqual(roleMissing);
    await expect(ana.revokeWorkerTokens({})).rejects.toEqual(roleMissing);
    ana.close();
  });
});
