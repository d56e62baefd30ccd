import { openSync, closeSync, readFileSync, rmSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

/**
 * Takes a folder for this process: two processes may otherwise open one embedded database unnoticed. A lock that a dead
 * process left behind is taken over.
 * @throws Error naming the process that holds it
 */
export function lockFolder(folder: string, service: string): () => void {
  const file = join(folder, "pglite.lock");
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const handle = openSync(file, "wx", 0o600);
      writeSync(handle, `${process.pid} ${hostname()}`);
      closeSync(handle);
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const [first, host = hostname()] = readFileSync(file, "utf8").split(" ");
      const pid = Number(first);
      const elsewhere = host === hostname() ? "" : ` on ${host} (if that host is gone, delete ${file})`;
      // On another host (a container on the same volume) nothing can be said of the process: it counts as alive.
      if (host !== hostname() || isAlive(pid))
        throw new Error(
          `the data folder of ${service} is in use by process ${pid}${elsewhere}; stop that process, or give this one another PARLEY_DATA_DIR`,
          { cause: error },
        );
      rmSync(file, { force: true });
    }
  }
  throw new Error(`the data folder of ${service} is in use; give this process another PARLEY_DATA_DIR`);
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
