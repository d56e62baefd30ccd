import { createAuthority } from "@parley/agreement";
import { Code, ParleyError } from "@parley/sdk";
import { FakeAccessPoint, FakeOffice } from "@parley/sdk/testing";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { json, shell } from "./testing/shell.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "parley-installation-"));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => void vi.unstubAllEnvs());

describe("parley token", () => {
  let office: FakeOffice;
  let address: string;
  let operator: string;
  beforeAll(async () => {
    operator = join(folder, "operator");
    mkdirSync(operator);
    ({ office, address } = await FakeOffice.start(operator));
  });
  beforeEach(() => {
    vi.stubEnv("PARLEY_OPERATOR_DIR", operator);
    vi.stubEnv("PARLEY_DEALER_KEK_FILE", undefined);
    office.asked.length = 0;
  });
  afterAll(() => office.stop());

  it("makes a one-time token with the operator's certificate, and prints it alone", async () => {
    const { exit, out } = await shell("token", "clinic-a", "--address", address);
    expect({ exit, out }).toEqual({ exit: 0, out: "token-of-identity\n" });
    expect(office.asked).toEqual([{ office: "identity", organisationId: "clinic-a", validSeconds: 86_400 }]);
  });

  it("asks the dealer where the dealer runs, or where it is told to", async () => {
    const asked = await json("token", "clinic-a", "--at", "dealer", "--hours", "0.5", "--address", address);
    expect(asked.value).toMatchObject({ organisation: "clinic-a", token: "token-of-dealer" });
    vi.stubEnv("PARLEY_DEALER_KEK_FILE", "/keys/dealer.kek");
    await shell("token", "clinic-b", "--address", address);
    expect(office.asked).toEqual([
      { office: "dealer", organisationId: "clinic-a", validSeconds: 1_800 },
      { office: "dealer", organisationId: "clinic-b", validSeconds: 86_400 },
    ]);
  });

  it("is refused with another authority's certificate, and says which file is missing", async () => {
    const strange = join(folder, "strange");
    mkdirSync(strange);
    await office.writeOperator(strange, await createAuthority({ org: "router" }));
    expect((await shell("token", "clinic-a", "--address", address, "--folder", strange)).exit).toBe(1);
    rmSync(join(strange, "tls.key"));
    const { exit, err } = await shell("token", "clinic-a", "--address", address, "--folder", strange);
    expect(err).not.toContain("ENOENT");
    expect(exit).toBe(1);
    expect(err).toContain("tls.key");
    expect(office.asked).toEqual([]);
  });

  it.each([
    ["--hours", "0"],
    ["--hours", "721"],
    ["--hours", "x"],
    ["--at", "scheduler"],
  ])("is not for %s %s", async (...wrong) => {
    expect((await shell("token", "clinic-a", "--address", address, ...wrong)).exit).toBe(2);
    expect(office.asked).toEqual([]);
  });
});

describe("in a pod, with a mounted profile", () => {
  let fake: FakeAccessPoint;
  let tokenFile: string;
  beforeAll(async () => {
    fake = await FakeAccessPoint.start();
    const mounted = join(folder, "admin");
    mkdirSync(mounted);
    const { address, ca, apiKey } = fake.profile;
    const files = { address, "ca.crt": ca, "api-key": `${apiKey}\n` };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(mounted, name), text);
    tokenFile = join(folder, "token");
    writeFileSync(tokenFile, "one-time\n");
  });
  beforeEach(() => {
    vi.stubEnv("PARLEY_PROFILE", undefined);
    vi.stubEnv("PARLEY_PROFILE_DIR", join(folder, "admin"));
    fake.refuse.clear();
    fake.enrolledAt = ["router", "dealer"];
  });
  afterAll(() => fake.stop());
  const enrol = (...more: string[]) => json("org", "enrol", "--operator", "dealer", "--token-file", tokenFile, ...more);
  const refused = (reason: string) =>
    fake.refuse.set("enrolOrganisation", new ParleyError(Code.PERMISSION_DENIED, reason, "the token is used", ""));

  it("org enrol takes the token from its file", async () => {
    expect(await enrol()).toMatchObject({ exit: 0, value: { orgId: "clinic-b", issuer: "dealer", before: false } });
  });

  it.each(["ENROLMENT_TOKEN_REFUSED", "ONE_TIME_TOKEN_EXPIRED"])(
    "org enrol changes nothing a second time: %s",
    async (reason) => {
      refused(reason);
      expect(await enrol()).toMatchObject({ exit: 0, value: { before: true } });
    },
  );

  it("org enrol fails where the token is refused and the organisation is not enrolled there", async () => {
    refused("ENROLMENT_TOKEN_REFUSED");
    fake.enrolledAt = ["router"];
    expect(await enrol()).toMatchObject({ exit: 1, value: { error: { code: "ENROLMENT_TOKEN_REFUSED" } } });
  });

  it("org enrol fails where something else is wrong, though the organisation is enrolled", async () => {
    refused("FINGERPRINT_DIFFERS");
    expect(await enrol()).toMatchObject({ exit: 1, value: { error: { code: "FINGERPRINT_DIFFERS" } } });
  });

  it("org enrol waits for an access point that is not there yet, as long as it is told to", async () => {
    fake.stop();
    expect((await enrol("--wait", "0")).exit).toBe(1);
    const waiting = enrol("--wait", "60");
    await fake.resume();
    expect(await waiting).toMatchObject({ exit: 0, value: { issuer: "dealer" } });
  });

  it.each([
    [["--operator", "dealer"]],
    [["--token-file", "x"]],
    [["--operator", "scheduler", "--token-file", "x"]],
    [["--router", "t", "--dealer", "t"]],
    [[]],
  ])("org enrol says what belongs together: %j", async (args) => {
    expect((await shell("org", "enrol", ...args)).exit).toBe(2);
  });

  it("org enrol says that the token's file is not there", async () => {
    const { exit, err } = await shell("org", "enrol", "--operator", "dealer", "--token-file", join(folder, "nowhere"));
    expect(exit).toBe(1);
    expect(err).toContain("nowhere does not exist");
    expect(err).not.toContain("ENOENT");
  });

  it("makes reusable workers' tokens and revokes them", async () => {
    const made = await json("org", "worker-token", "--reusable", "--days", "30");
    expect(made.value).toMatchObject({ token: "reusable-token-for-2592000-s", reusable: true });
    expect((await shell("org", "worker-token")).out).toBe("worker-token-for-86400-s\n");
    expect((await shell("org", "worker-token", "--days", "31")).exit).toBe(2);
    expect(await json("org", "revoke-worker-tokens")).toEqual({ exit: 0, value: { revoked: 2 } });
  });

  it("puts a worker out, and says until when others know it", async () => {
    const certificatesEnd = "2027-01-01T00:00:00.000Z";
    expect(await json("org", "revoke-worker", "clinic-b-worker-1")).toEqual({
      exit: 0,
      value: { name: "clinic-b-worker-1", workers: ["wrk_0123456789ab"], certificatesEnd, streams: 1 },
    });
    const { out } = await shell("org", "revoke-worker", "clinic-b-worker-1");
    expect(out).toContain("wrk_0123456789ab");
    expect(out).toContain(certificatesEnd);
    const unknown = await shell("org", "revoke-worker", "nobody");
    expect(unknown.exit).toBe(1);
    expect(unknown.err).toContain("no worker is called nobody");
    expect((await shell("org", "revoke-worker")).exit).toBe(2);
    expect((await shell("org", "revoke-worker", "--help")).out).toContain("at most 24 hours");
  });
});
