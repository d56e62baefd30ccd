import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { listProfiles, loadProfile, profileFolders, saveProfile, type Profile } from "./profile.js";

const profile = (address: string): Profile => ({
  address,
  ca: "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
  apiKey: "0123456789abcdef",
});

let folder: string;
const before = process.cwd();
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "parley-profile-")));
  mkdirSync(join(folder, "work", "inner"), { recursive: true });
  process.chdir(join(folder, "work", "inner"));
  vi.stubEnv("PARLEY_HOME", undefined);
  vi.stubEnv("PARLEY_PROFILE", undefined);
  vi.stubEnv("XDG_CONFIG_HOME", join(folder, "config"));
});
afterEach(() => {
  process.chdir(before);
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const dot = (...path: string[]) => {
  const dir = join(folder, ...path, ".parley");
  mkdirSync(dir, { recursive: true });
  return dir;
};

describe("profiles", () => {
  it("are saved for their owner alone, also over an older file", () => {
    const file = saveProfile("clinic-a", profile("localhost:1"), dot("work"));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    chmodSync(file, 0o644);
    saveProfile("clinic-a", profile("localhost:2"), dot("work"));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(loadProfile("clinic-a")).toEqual(profile("localhost:2"));
  });

  it("come from the nearest .parley, then those above, then the user's config folder", () => {
    saveProfile("x", profile("config:1"), join(folder, "config", "parley"));
    saveProfile("y", profile("config:1"), join(folder, "config", "parley"));
    expect(loadProfile("x").address).toBe("config:1");
    saveProfile("x", profile("outer:1"), dot("work"));
    expect(loadProfile("x").address).toBe("outer:1");
    saveProfile("x", profile("inner:1"), dot("work", "inner"));
    expect(loadProfile("x").address).toBe("inner:1");
    expect(loadProfile("y").address).toBe("config:1");
    expect(listProfiles()).toEqual(["x", "y"]);
  });

  it("come from PARLEY_HOME alone where it is set", () => {
    saveProfile("x", profile("inner:1"), dot("work", "inner"));
    vi.stubEnv("PARLEY_HOME", join(folder, "home"));
    expect(profileFolders()).toEqual([join(folder, "home")]);
    expect(() => loadProfile("x")).toThrow('there is no profile "x"');
    saveProfile("x", profile("home:1"));
    expect(loadProfile("x").address).toBe("home:1");
  });

  it("are chosen by name, PARLEY_PROFILE, default, or as the only one", () => {
    saveProfile("b", profile("b:1"), dot("work"));
    expect(loadProfile().address).toBe("b:1");
    saveProfile("a", profile("a:1"), dot("work"));
    expect(() => loadProfile()).toThrow(
      expect.objectContaining({ reason: "PROFILE_NOT_FOUND", hint: expect.stringContaining("a, b") as string }),
    );
    saveProfile("default", profile("default:1"), dot("work"));
    expect(loadProfile().address).toBe("default:1");
    vi.stubEnv("PARLEY_PROFILE", "a");
    expect(loadProfile().address).toBe("a:1");
    expect(loadProfile("b").address).toBe("b:1");
  });

  it("say how to make one where there is none", () => {
    expect(() => loadProfile()).toThrow(expect.objectContaining({ hint: "Make one with: parley login" }));
  });

  it.each([
    ["no JSON", () => "{", "not JSON"],
    ["no address", (text: string) => text.replace("localhost:1", "localhost"), "address"],
    ["no certificate", (text: string) => text.replace("BEGIN", "X"), "ca"],
    ["no key", (text: string) => text.replace("apiKey", "other"), "apiKey"],
  ])("name what is damaged: %s", (_, damage, named) => {
    const file = saveProfile("x", profile("localhost:1"), dot("work"));
    writeFileSync(file, damage(readFileSync(file, "utf8")));
    expect(() => loadProfile("x")).toThrow(`profile "x" is damaged (${named})`);
  });

  it.each(["../x", "", "X", "a b"])("refuse the name %j", (name) => {
    expect(() => saveProfile(name, profile("localhost:1"), dot("work"))).toThrow("is not a profile name");
    expect(() => loadProfile(name)).toThrow("is not a profile name");
  });

  it("are checked before they are saved", () => {
    expect(() => saveProfile("x", profile("localhost"), dot("work"))).toThrow("address: give it as host:port");
    expect(listProfiles()).toEqual([]);
  });

  it("take IPv6 addresses", () => {
    saveProfile("x", profile("[::1]:8443"), dot("work"));
    expect(loadProfile("x").address).toBe("[::1]:8443");
  });
});
