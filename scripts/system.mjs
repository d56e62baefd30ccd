// Starts a whole Parley in a folder, for the demo and for `npm start`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bringRedis } from "./redis.mjs";

/** Starts router, dealer, clinic-a and clinic-b. `folder`: by default a new temporary one. */
export async function openSystem(say, folder = mkdtempSync(join(tmpdir(), "parley-"))) {
  process.env.PARLEY_REDIS_SERVER = bringRedis();
  const { startSystem } = await import("../libs/testing/dist/system/index.js");
  try {
    return await startSystem({ folder, onProgress: (message) => say(`${message} ...`) });
  } catch (error) {
    if (!process.env.PARLEY_KEEP) rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Runs `end` once, on Ctrl-C, SIGTERM or when the returned function is called. */
export function onSignals(end) {
  let ending;
  const once = () => (ending ??= end());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => {
      once().finally(() => process.exit(signal === "SIGINT" ? 130 : 143));
    });
  return once;
}
