import { Findings } from "@parley/proto";
import { Code, ParleyError, saveProfile } from "@parley/sdk";
import { FakeAccessPoint } from "@parley/sdk/testing";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { findingsTable } from "./output/findings.js";
import { json, shell } from "./testing/shell.js";

interface Report {
  findings: {
    from: string;
    to: string;
    check: string;
    outcome: string;
    figure: string;
    hint: string;
    value?: number;
  }[];
  summary: Record<string, number>;
}

let fake: FakeAccessPoint;
let other: FakeAccessPoint;
let folder: string;
beforeAll(async () => {
  [fake, other] = await Promise.all([FakeAccessPoint.start(), FakeAccessPoint.start()]);
  folder = mkdtempSync(join(tmpdir(), "parley-doctor-"));
  vi.stubEnv("PARLEY_HOME", folder);
  vi.stubEnv("PARLEY_PROFILE", undefined);
  vi.stubEnv("PARLEY_PROFILE_DIR", undefined);
  saveProfile("default", fake.profile);
  saveProfile("other-key", { ...fake.profile, apiKey: "a-key-that-is-not-known" });
  saveProfile("other-ca", { ...fake.profile, ca: other.profile.ca });
  saveProfile("other-name", { ...fake.profile, address: fake.profile.address.replace("localhost", "127.0.0.1") });
});
afterEach(() => {
  fake.refuse.clear();
  fake.findings = [];
  fake.roles = ["admin"];
});
afterAll(() => {
  fake.stop();
  other.stop();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const doctor = async (...args: string[]) => {
  const { exit, out, err } = await shell("doctor", "--idle", "0.05", "--json", ...args);
  const report = JSON.parse(out) as Report;
  return { exit, err, ...report, failed: report.findings.filter(({ outcome }) => outcome === "failed") };
};

describe("parley doctor", () => {
  it("exits 0 where nothing failed, with what the access point and its workers found", async () => {
    fake.roles = ["admin"];
    fake.findings = [
      new Findings("access-point", "identity", "router:8443").ok("round trip", "3.0 ms", { value: 3, unit: "ms" }),
      new Findings("worker w-1", "clinic-a", "a:8443").warning("certificate", "1.0 hours left", "Renew it."),
    ];
    const { exit, err, findings, summary } = await doctor();
    expect({ exit, err }).toEqual({ exit: 0, err: "" });
    expect(summary).toMatchObject({ warning: 1, failed: 0 });
    expect(findings.filter(({ from }) => from === "here").map(({ check }) => check)).toEqual(
      [
        "profile",
        "dns",
        "tcp",
        "tls",
        "name",
        "certificate",
        "authority",
        "alpn",
        "round trip",
        "version",
        "clock",
      ].concat(["message", "bandwidth up", "bandwidth down", "keepalive", "user"]),
    );
    expect(findings.find(({ from }) => from === "worker w-1")).toEqual({
      from: "worker w-1",
      to: "clinic-a",
      address: "a:8443",
      check: "certificate",
      outcome: "warning",
      figure: "1.0 hours left",
      hint: "Renew it.",
    });
    expect(findings.find(({ from }) => from === "access-point")).toMatchObject({ value: 3, unit: "ms" });
  });

  it("exits 1 where something failed, and says what to do in a table", async () => {
    fake.findings = [
      new Findings("access-point", "dealer", "dealer:8443").failed("tcp", "port 8443 refuses connections", "Start it."),
    ];
    const { exit, out, err } = await shell("doctor", "--idle", "0.05");
    expect(exit).toBe(1);
    expect(out).toMatch(
      /access-point → dealer {2}dealer:8443\n {2}failed +tcp +port 8443 refuses connections\n +Start it\.\n/,
    );
    expect(out).not.toContain("\u001b");
    expect(err).toMatch(/^Error: 1 of \d+ checks failed\n/);
    expect((await doctor()).err).toContain('"code":"CHECK_FAILED"');
  });

  it("does not look further without an administrator's key", async () => {
    fake.roles = ["scientist"];
    const { exit, findings } = await doctor();
    expect(exit).toBe(0);
    expect(findings.at(-1)).toMatchObject({ outcome: "skipped", figure: "only administrators may look further" });
    expect(fake.calls.at(-1)).toBe("whoAmI");
  });

  it("says what the access point refuses to look at", async () => {
    fake.refuse.set(
      "checkConnections",
      new ParleyError(Code.FAILED_PRECONDITION, "CHECK_RUNS", "another runs", "Wait."),
    );
    expect((await doctor()).failed).toMatchObject([{ check: "check", figure: "another runs", hint: "Wait." }]);
  });

  it.each([
    ["missing", "profile", 'there is no profile "missing"'],
    ["other-key", "call", "the API key is not known"],
    ["other-ca", "tls", "authority that is not trusted"],
    ["other-name", "name", "the certificate is for localhost, not for 127.0.0.1"],
  ])("says what is wrong with profile %s", async (profile, check, figure) => {
    const { exit, failed, findings } = await doctor("--profile", profile);
    expect(exit).toBe(1);
    expect(failed.map((finding) => finding.check)).toEqual([check]);
    expect(failed[0].figure).toContain(figure);
    expect(failed[0].hint).not.toBe("");
    if (profile !== "missing") expect(findings.at(-1)?.outcome).toBe("skipped");
  });

  it("says that nothing listens", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    saveProfile("gone", { ...fake.profile, address: `localhost:${port}` });
    expect((await doctor("--profile", "gone")).failed).toMatchObject([
      { check: "tcp", figure: `port ${port} refuses connections` },
    ]);
  });

  it.each(["0", "-1", "601", "long"])("takes no --idle %s", async (idle) => {
    const { exit, value } = await json("doctor", "--idle", idle);
    expect(exit).toBe(2);
    expect(value).toMatchObject({ error: { code: "USAGE", message: expect.stringContaining("--idle") as string } });
  });

  it("shows colours on a terminal only", () => {
    const findings = [new Findings("here", "x").failed("tcp", "refused", "Start it.")];
    expect(findingsTable(findings, { width: 80, colours: true })).toContain("\u001b[31mfailed");
    expect(findingsTable(findings, { width: 80, colours: false })).not.toContain("\u001b");
  });
});
