import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { freshFolder } from "../testing/databases.js";
import { lockFolder } from "./folder-lock.js";

describe("lockFolder", () => {
  const folder = freshFolder();
  const file = join(folder, "pglite.lock");
  afterEach(() => rmSync(file, { force: true }));

  it("refuses a folder that a living process holds, naming the process, and gives it back", () => {
    writeFileSync(file, String(process.ppid));
    expect(() => lockFolder(folder, "dealer")).toThrow(
      `the data folder of dealer is in use by process ${process.ppid}`,
    );
    rmSync(file);
    const unlock = lockFolder(folder, "dealer");
    expect(existsSync(file)).toBe(true);
    unlock();
    expect(existsSync(file)).toBe(false);
  });

  it("takes nothing over from another host", () => {
    writeFileSync(file, "1 another-host");
    expect(() => lockFolder(folder, "dealer")).toThrow("in use by process 1 on another-host");
  });

  it("takes over what a dead process left behind", () => {
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    writeFileSync(file, String(pid));
    lockFolder(folder, "dealer")();
    writeFileSync(file, "nonsense");
    lockFolder(folder, "dealer")();
  });
});
