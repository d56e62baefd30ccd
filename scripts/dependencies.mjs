// Brings the dependencies and finds Node 24 among them. Plain Node 20, no packages.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const cache = join(root, "node_modules", ".cache", "parley");

/** Runs `npm ci` where node_modules is missing or was made from another lock. Output goes to standard error. */
export function bringDependencies() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  const stamp = join(cache, "lock.sha256");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  console.error("Installing dependencies (about a minute, 1.3 GB) ...");
  // onnxruntime-node's own script would download GPU libraries that nothing here uses; the CPU library is in the package.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" };
  const done = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    env,
    stdio: ["ignore", 2, 2],
  });
  if (done.status !== 0)
    throw new Error("npm ci failed; its messages are above. A full disk or no network are the usual reasons.");
  mkdirSync(cache, { recursive: true });
  writeFileSync(stamp, lock);
}

const isNode24 = (path) => {
  try {
    return execFileSync(path, ["--version"], { encoding: "utf8" }).startsWith("v24.");
  } catch {
    return false;
  }
};

/** Path of a Node 24: the one among the dependencies, else this one where it is a 24. */
export function findNode24() {
  const bundled = join(root, "node_modules", "node", "bin", "node");
  if (isNode24(bundled)) return bundled;
  // Some npm configurations refuse install scripts; the package's script only links the binary of this platform.
  const script = join(root, "node_modules", "node", "installArchSpecificPackage.js");
  if (existsSync(script))
    spawnSync(process.execPath, [script], {
      cwd: dirname(script),
      stdio: ["ignore", 2, 2],
      env: { ...process.env, npm_config_global: "false" },
    });
  if (isNode24(bundled)) return bundled;
  if (process.version.startsWith("v24.")) return process.execPath;
  console.error(
    "Node 24 could not be brought by npm on this platform. Install Node 24 from nodejs.org and run the command again.",
  );
  process.exit(1);
}
