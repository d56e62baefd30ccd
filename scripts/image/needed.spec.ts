import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { neededBy, removeOthers } from "./needed.mjs";

/** As npm writes a lock: service needs lib, lib needs its own version of a, which needs b; tests need a tool with an optional part. */
const LOCK = {
  "": { devDependencies: { tool: "1" } },
  "services/s": { dependencies: { "@x/lib": "1" } },
  "libs/lib": { dependencies: { a: "2" }, optionalDependencies: { "not-for-this-platform": "1" } },
  "libs/testing": { dependencies: { tool: "1" } },
  "node_modules/@x/lib": { link: true, resolved: "libs/lib" },
  "node_modules/@x/testing": { link: true, resolved: "libs/testing" },
  "node_modules/a": { dependencies: { c: "1" } },
  "node_modules/b": { peerDependencies: { d: "1" } },
  "node_modules/c": {},
  "node_modules/d": {},
  "node_modules/tool": { optionalDependencies: { "@tool/linux": "1" } },
  "node_modules/@tool/linux": { optional: true },
  "libs/lib/node_modules/a": { dependencies: { b: "1" } },
};
const NEEDED = [
  "services/s",
  "node_modules/@x/lib",
  "libs/lib",
  "libs/lib/node_modules/a",
  "node_modules/b",
  "node_modules/d",
];

it("keeps what services load, with the version that each of them finds", () => {
  expect([...neededBy(LOCK, ["services/s"])]).toEqual(NEEDED);
});

it("removes the rest, and scopes that are empty then", () => {
  const app = mkdtempSync(join(tmpdir(), "parley-needed-"));
  const installed = ["node_modules/a", "node_modules/b", "node_modules/@tool/linux", "libs/lib/node_modules/a"];
  for (const folder of [...installed, "libs/lib", "libs/testing", "node_modules/@x"])
    mkdirSync(join(app, folder), { recursive: true });
  symlinkSync("../../libs/testing", join(app, "node_modules/@x/testing"));
  symlinkSync("../../libs/lib", join(app, "node_modules/@x/lib"));
  const removed = removeOthers(app, LOCK, new Set(NEEDED));
  expect(removed.sort()).toEqual(["node_modules/@tool/linux", "node_modules/@x/testing", "node_modules/a"]);
  for (const gone of [...removed, "node_modules/@tool"]) expect(existsSync(join(app, gone)), gone).toBe(false);
  for (const kept of ["node_modules/b", "libs/lib/node_modules/a", "node_modules/@x/lib", "libs/testing"])
    expect(existsSync(join(app, kept)), kept).toBe(true);
  rmSync(app, { recursive: true });
});
