import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { saveProfile } from "@parley/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findRedis, repository, startSystem, type System } from "../system/index.js";

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe.skipIf(!findRedis())("parley self-test", () => {
  const folder = mkdtempSync(join(tmpdir(), "parley-self-test-spec-"));
  let system: System;

  beforeAll(async () => {
    const env = { PARLEY_ALLOW_SELF_TEST: "true" };
    system = await startSystem({ folder: join(folder, "system"), organisations: ["clinic-a"], env });
    saveProfile("default", system.organisations.get("clinic-a")!.profile, folder);
  });
  afterAll(async () => {
    await system?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const selfTest = (): Outcome =>
    spawnSync(process.execPath, [join(repository, "services/setup/dist/self-test/main.js"), "--json"], {
      encoding: "utf8",
      env: { ...process.env, PARLEY_HOME: folder, TMPDIR: folder },
    });

  it("runs a private prediction through a fresh installation, twice, and leaves no process's folder and no agreement in force", async () => {
    for (const _ of [1, 2]) {
      const { status, stdout, stderr } = selfTest();
      expect(status, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ ok: true, organisation: "clinic-a-self-test", records: 2 });
    }
    expect(readdirSync(folder).filter((name) => name.startsWith("parley-self-test-"))).toEqual([]);
    const { agreements } = await system.organisations
      .get("clinic-a")!
      .member.listAgreements({ state: 0, page: undefined });
    expect(agreements.map(({ state }) => state)).toEqual([agreements[0]!.state, agreements[0]!.state]);
    expect(readFileSync(join(system.logs, "clinic-a-access-point.log"), "utf8")).toContain("INSECURE: a self-test");
  });

  it("is refused by an access point that does not allow it", async () => {
    const organisation = system.organisations.get("clinic-a")!;
    const { startService } = await import("../system/index.js");
    await organisation.accessPoint.stop();
    organisation.accessPoint = await startService({
      service: "access-point",
      name: "clinic-a-access-point",
      logs: system.logs,
      env: { ...organisation.accessPointEnv, PARLEY_ALLOW_SELF_TEST: "false" },
    });
    const { status, stderr } = selfTest();
    expect(status).toBe(1);
    expect(stderr).toContain("SELF_TEST_OFF");
  });
});
