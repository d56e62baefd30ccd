import { Code, ParleyError, saveProfile } from "@parley/sdk";
import { densePlan, FakeAccessPoint } from "@parley/sdk/testing";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { json, shell } from "./testing/shell.js";

let fake: FakeAccessPoint;
let folder: string;
beforeAll(async () => {
  fake = await FakeAccessPoint.start();
  folder = mkdtempSync(join(tmpdir(), "parley-cli-"));
  vi.stubEnv("PARLEY_HOME", folder);
  vi.stubEnv("PARLEY_PROFILE", undefined);
  vi.stubEnv("PARLEY_API_KEY", undefined);
  saveProfile("clinic-a", fake.profile);
  saveProfile("nobody", { ...fake.profile, address: "localhost:1" });
});
afterEach(() => fake.refuse.clear());
afterAll(() => {
  fake.stop();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const A = ["--profile", "clinic-a"];
const file = (name: string, content: string) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const hex = (length: number) => expect.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)) as string;

describe("--profile", () => {
  it.each([
    [["--profile", "clinic-a", "org", "show"]],
    [["org", "--profile", "clinic-a", "show"]],
    [["org", "show", "--profile", "clinic-a"]],
    [["--json", "org", "show", "--profile=clinic-a"]],
  ])("may stand anywhere: %j", async (args) => {
    const { exit, out } = await shell(...args);
    expect(exit).toBe(0);
    expect(out).toContain("clinic-b");
  });

  it("names the profiles there are where the one is missing", async () => {
    expect(await json("job", "list", "--profile", "x")).toEqual({
      exit: 1,
      value: {
        error: {
          code: "PROFILE_NOT_FOUND",
          message: 'there is no profile "x"',
          hint: "Known profiles: clinic-a, nobody; choose one with --profile NAME.",
        },
      },
    });
  });
});

describe("failures", () => {
  it("print code, message and hint of the access point and exit 1", async () => {
    const error = new ParleyError(Code.FAILED_PRECONDITION, "NOT_TRUSTED", "clinic-z is not trusted", "Compare.");
    fake.refuse.set("listJobs", error);
    expect(await json("job", "list", ...A)).toEqual({
      exit: 1,
      value: { error: { code: "NOT_TRUSTED", message: "clinic-z is not trusted", hint: "Compare." } },
    });
    expect(await shell("job", "list", ...A)).toEqual({
      exit: 1,
      out: "",
      err: "Error: clinic-z is not trusted\n  Compare.\n",
    });
  });

  it("say where nobody answers", async () => {
    const { exit, value } = await json("job", "list", "--profile", "nobody");
    expect(exit).toBe(1);
    expect(value).toMatchObject({
      error: { code: "ACCESS_POINT_UNREACHABLE", message: "the access point at localhost:1 cannot be reached" },
    });
  });
});

describe("login", () => {
  it("tries the key, then saves the profile for its owner alone", async () => {
    const login = ["login", "--address", fake.profile.address, "--ca", file("ca.pem", fake.profile.ca)];
    const key = ["--api-key-file", file("key", `${fake.profile.apiKey}\n`)];
    expect(await json(...login, ...key, "--profile", "mine")).toEqual({
      exit: 0,
      value: { profile: "mine", orgId: "clinic-b", user: "ada", roles: ["scientist"] },
    });
    expect(statSync(join(folder, "profiles", "mine.json")).mode & 0o777).toBe(0o600);
    expect((await shell("org", "show", "--profile", "mine")).exit).toBe(0);
    const wrong = await json(...login, "--api-key-file", file("key2", "wrong-key-0123456789"), "--profile", "other");
    expect(wrong).toMatchObject({ exit: 1, value: { error: { code: "API_KEY" } } });
    expect((await shell("org", "show", "--profile", "other")).exit).toBe(1);
    expect(await json(...login)).toMatchObject({ exit: 2, value: { error: { message: "no API key given" } } });
    expect(await json("login", "--address", "x:1", "--ca", "missing", ...key)).toMatchObject({
      exit: 1,
      value: { error: { code: "FILE_UNREADABLE", message: "the CA file missing cannot be read" } },
    });
  });
});

describe("org", () => {
  it("shows your own organisation and a partner's", async () => {
    const own = { orgId: "clinic-b", fingerprint: "b".repeat(64) };
    expect(await json("org", "show", ...A)).toEqual({ exit: 0, value: own });
    expect(await json("org", "show", "clinic-a", ...A)).toEqual({
      exit: 0,
      value: {
        orgId: "clinic-a",
        fingerprint: "a".repeat(64),
        trusted: true,
        endpoints: ["clinic-a.example:8443"],
      },
    });
    expect((await shell("org", "show", "clinic-z", ...A)).out).toMatch(/Fingerprint: +2222 2222 .*\nTrusted: +no\n/);
  });

  it("enrols and trusts", async () => {
    const issuer = { orgId: "clinic-b", before: false, fingerprint: "b".repeat(64), issuerFingerprint: "e".repeat(64) };
    expect(await json("org", "enrol", "--router", "t", ...A)).toEqual({
      exit: 0,
      value: { ...issuer, issuer: "router" },
    });
    expect(await json("org", "enrol", "--dealer", "t", ...A)).toEqual({
      exit: 0,
      value: { ...issuer, issuer: "dealer" },
    });
    expect(await json("org", "trust", "clinic-a", "--fingerprint", "aa", ...A)).toEqual({
      exit: 0,
      value: { orgId: "clinic-a", fingerprint: "aa", trusted: true },
    });
  });
});

describe("asset", () => {
  it("publishes with a range, a schema, or a warning", async () => {
    const model = file("m.onnx", "weights");
    const published = {
      exit: 0,
      value: {
        assetId: expect.stringMatching(/^mdl_/) as string,
        version: 1,
        commitment: hex(64),
        planDigest: hex(64),
      },
    };
    const publish = ["asset", "publish", model, "--name", "triage", ...A];
    expect(await json(...publish, "--input-range", "-1,1")).toEqual(published);
    expect(fake.assets.uploads.at(-1)).toMatchObject({ header: { inputSchema: '{"lo":-1,"hi":1}' }, bytes: 7 });
    const schema = { lo: [0, 1], hi: 5, names: ["a", "b"], labels: ["no", "yes"] };
    expect(await json(...publish, "--private", "--schema", file("s.json", JSON.stringify(schema)))).toEqual(published);
    expect(fake.assets.uploads.at(-1)?.header).toMatchObject({
      inputSchema: '{"lo":[0,1],"hi":5,"names":["a","b"]}',
      labels: '["no","yes"]',
      visibility: 2,
    });
    const { out, err } = await shell(...publish);
    expect(err).toBe("Warning: no range\n");
    expect(out).toMatch(/Asset: +mdl_[^]*Next: parley agreement offer --asset mdl_/);
    expect(await json(...publish, "--schema", file("bad.json", '{"lo": "x", "hi": 1}'))).toMatchObject({
      exit: 1,
      value: {
        error: { code: "SCHEMA_INVALID", message: expect.stringMatching(/bad\.json is not valid: lo: /) as string },
      },
    });
    expect(await json(...publish, "--schema", "missing.json")).toMatchObject({
      exit: 1,
      value: { error: { message: "the schema missing.json cannot be read as JSON" } },
    });
  });

  it("lists and shows", async () => {
    const { id } = fake.assets.add("named-so", densePlan([1, 2, 3]));
    const listed = await json("asset", "list", "--search", "named-so", ...A);
    expect(listed.value).toMatchObject({ assets: [{ assetId: id, name: "named-so", version: 1 }] });
    const shown = await json("asset", "show", id, ...A);
    expect(shown.value).toMatchObject({ assetId: id, planDigest: hex(64), cost: { bytesP1ToP0: 100 } });
    expect((await shell("asset", "show", id, ...A)).out).toMatch(/Input: +1 x 2 x 3, values 0 \.\. 1\n/);
    expect((await json("asset", "show", "mdl_x", ...A)).value).toMatchObject({ error: { code: "ASSET_NOT_FOUND" } });
  });
});

describe("agreement", () => {
  it("is offered, accepted, listed, shown and revoked", async () => {
    const offer = "agreement offer --asset mdl_x --to clinic-b --records 10 --expires 2027-12-31 --output logits";
    const offered = await json(...offer.split(" "), ...A);
    expect(offered).toEqual({ exit: 0, value: { agreementId: expect.stringMatching(/^agr_/) as string } });
    const { agreementId } = offered.value as { agreementId: string };
    expect(fake.agreements.all.get(agreementId)?.expires).toEqual(new Date("2027-12-31T23:59:59Z"));
    const accepted = { agreementId, state: "active" };
    expect(await json("agreement", "accept", agreementId, ...A)).toEqual({ exit: 0, value: accepted });
    expect((await json("agreement", "list", ...A)).value).toMatchObject({ agreements: [{ ...accepted, quota: 10 }] });
    const shown = await json("agreement", "show", agreementId, ...A);
    expect(shown.value).toMatchObject({ ...accepted, ready: true, terms: { purpose: "triage" } });
    const revoke = ["agreement", "revoke", agreementId, "--reason", "over", ...A];
    expect((await json(...revoke)).value).toEqual({ agreementId, state: "revoked" });
  });
});

describe("files of results", () => {
  it("are written for their owner alone, in the format of their name", async () => {
    const { id } = fake.assets.add("sum", densePlan([2]));
    fake.jobs.onSubmit = (job) => fake.jobs.succeed(job, [65536n, 0n]);
    const predict = ["predict", "--asset", id, "--data", file("x.csv", "0,1\n"), ...A, "--out"];
    const out = (name: string) => join(folder, name);
    for (const name of ["r.csv", "r.json", "r.txt"]) expect((await shell(...predict, out(name))).exit).toBe(0);
    expect(readFileSync(out("r.csv"), "utf8")).toBe("record,label,value_0,value_1\n1,0,1,0\n");
    expect(JSON.parse(readFileSync(out("r.json"), "utf8"))).toMatchObject({
      values: [[1, 0]],
      logits: [["65536", "0"]],
    });
    expect(readFileSync(out("r.txt"), "utf8")).toBe("1: 0  [1.0000, 0.0000]\n");
    expect(statSync(out("r.csv")).mode & 0o777).toBe(0o600);
    const nowhere = await json(...predict, join(folder, "no", "r.csv"));
    expect(nowhere).toMatchObject({ exit: 1, value: { error: { code: "FILE_UNWRITABLE" } } });
  });
});
