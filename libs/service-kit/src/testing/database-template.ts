import { PGlite } from "@electric-sql/pglite";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Installed version: another one may not read the same files. */
function version(): string {
  const entry = createRequire(import.meta.url).resolve("@electric-sql/pglite");
  return (JSON.parse(readFileSync(join(dirname(entry), "../package.json"), "utf8")) as { version: string }).version;
}

/**
 * Puts an empty embedded database into a service's data folder. Making one takes seconds, copying one a moment: it is made
 * once per checkout. For demos and tests; a service makes its own where there is none.
 */
export async function copyEmptyDatabase(dataDir: string, cache: string): Promise<void> {
  const template = join(cache, `pglite-${version()}`);
  if (!existsSync(template)) {
    mkdirSync(cache, { recursive: true });
    const fresh = mkdtempSync(join(cache, "pglite-making-"));
    await (await PGlite.create(join(fresh, "data"))).close();
    try {
      renameSync(join(fresh, "data"), template);
    } catch (error) {
      if (!existsSync(template)) throw error; // another process was faster
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
  }
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  cpSync(template, join(dataDir, "pglite"), { recursive: true });
}
