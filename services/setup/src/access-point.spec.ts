import { FakeAccessPoint } from "@parley/sdk/testing";
import { createLogger } from "@parley/service-kit";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { keepAccessPoint, type AccessPointSettings } from "./access-point.js";
import { FakeApi } from "./spec-support/fake-api.js";

const MONTH_SECONDS = 30 * 86_400;
const HALF_MONTH_MS = 15 * 86_400_000;

let api: FakeApi;
let fake: FakeAccessPoint;
let folder: string;
let end: AbortController;
let kept: Promise<void>;
let time: number;
beforeEach(async () => {
  [api, fake] = await Promise.all([FakeApi.start(), FakeAccessPoint.start()]);
  folder = mkdtempSync(join(tmpdir(), "parley-setup-"));
  end = new AbortController();
  time = 0;
});
afterEach(async () => {
  end.abort();
  await kept;
  fake.stop();
  await api.stop();
  rmSync(folder, { recursive: true });
});

const begin = (more: Partial<AccessPointSettings> = {}, token = "good") => {
  const local = fake.profile.address;
  const settings = { release: "clinic-a", folder, address: "parley.clinic-a.example.org:8444", local, ...more };
  const clock = { lookMs: 10, againMs: 10, now: () => time };
  kept = keepAccessPoint(api.secrets(token), settings, createLogger("test", "silent"), end.signal, clock);
};
/** What an access point writes at its first start. */
const appear = () => {
  writeFileSync(join(folder, "ca.pem"), fake.profile.ca);
  writeFileSync(join(folder, "admin-key"), fake.profile.apiKey);
};
const made = () => fake.calls.filter((name) => name === "createWorkerToken").length;
const eventually = (check: () => void) => vi.waitFor(check, 10_000);
const TOKEN = { token: `reusable-token-for-${MONTH_SECONDS}-s` };

describe("keepAccessPoint", () => {
  it("waits for the access point's files, then keeps profile and workers' token in Secrets", async () => {
    begin();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(api.calls).toEqual([]);
    appear();
    await eventually(() => expect(api.data("clinic-a-worker-token")).toEqual(TOKEN));
    const { ca, apiKey } = fake.profile;
    const profile = { address: "parley.clinic-a.example.org:8444", "ca.crt": ca, "api-key": apiKey };
    expect(api.data("clinic-a-admin")).toEqual(profile);
  });

  it("makes the token anew at half of its life and no sooner, and where its Secret was deleted", async () => {
    appear();
    begin();
    await eventually(() => expect(made()).toBe(1));
    const looks = () => api.calls.filter((call) => call === "GET clinic-a-admin").length;
    const lookTwice = async () => {
      const before = looks();
      await eventually(() => expect(looks()).toBeGreaterThan(before + 1));
    };
    time = HALF_MONTH_MS - 1;
    await lookTwice();
    expect(made()).toBe(1);
    time = HALF_MONTH_MS;
    await eventually(() => expect(made()).toBe(2));
    api.stored.delete("clinic-a-worker-token");
    await eventually(() => expect(api.data("clinic-a-worker-token")).toEqual(TOKEN));
    await lookTwice();
    expect(made()).toBe(3);
  });

  it("takes the administrator's key from where the access point took it, and follows a change", async () => {
    writeFileSync(join(folder, "ca.pem"), fake.profile.ca);
    const adminKeyFile = join(folder, "mounted-key");
    writeFileSync(adminKeyFile, "not-yet-the-key-of-this-access-point\n");
    begin({ adminKeyFile });
    await eventually(() => expect(fake.calls).toContain("createWorkerToken"));
    expect(api.data("clinic-a-worker-token")).toEqual({}); // refused
    writeFileSync(adminKeyFile, `${fake.profile.apiKey}\n`);
    await eventually(() => expect(api.data("clinic-a-worker-token")).toEqual(TOKEN));
    expect(api.data("clinic-a-admin")["api-key"]).toBe(fake.profile.apiKey);
  });

  it("goes on when the access point comes back", async () => {
    appear();
    const { profile } = fake;
    fake.stop();
    begin({ local: profile.address });
    await eventually(() => expect(api.data("clinic-a-admin")["api-key"]).toBe(profile.apiKey));
    expect(api.stored.has("clinic-a-worker-token")).toBe(false);
    await fake.resume();
    await eventually(() => expect(api.data("clinic-a-worker-token")).toEqual(TOKEN));
  });

  it("stays where the API refuses, and ends when it is told to", async () => {
    appear();
    begin({}, "stolen");
    const ended = vi.fn();
    void kept.then(ended);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(ended).not.toHaveBeenCalled();
    expect(api.stored.size).toBe(0);
    end.abort();
    await eventually(() => expect(ended).toHaveBeenCalled());
  });
});
