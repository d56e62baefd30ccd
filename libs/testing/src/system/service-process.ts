import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startChild, type Child } from "./child-process.js";

/** Root of the repository, from src/ and dist/ alike. */
export const repository = join(dirname(fileURLToPath(import.meta.url)), "../../../..");

export type ServiceName = "identity" | "registry" | "agreements" | "scheduler" | "dealer" | "access-point" | "worker";

export interface ServiceOptions {
  readonly service: ServiceName;
  /** Name of this instance, e.g. "clinic-a-worker". */
  readonly name?: string;
  readonly logs: string;
  readonly env: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[];
}

/** Starts a built service under this Node and waits for its "listening" line. */
export async function startService(options: ServiceOptions): Promise<Child> {
  const main = join(repository, "services", options.service, "dist/main.js");
  if (!existsSync(main)) throw new Error(`${main} is missing; run "npm run build" first`);
  return startChild({
    name: options.name ?? options.service,
    command: process.execPath,
    args: [...(options.nodeArgs ?? []), "--import", EXIT_WITH_PARENT, main],
    env: options.env,
    logs: options.logs,
    ready: listening,
  });
}

/**
 * A service started here must not outlive whoever started it, even after a SIGKILL: its standard input ends then. Worker
 * threads run this too, and their standard input has ended from the start.
 */
const EXIT_WITH_PARENT = `data:text/javascript,${encodeURIComponent(
  'import { isMainThread } from "node:worker_threads"; if (isMainThread) process.stdin.on("end", () => process.kill(process.pid, "SIGTERM")).on("error", () => {}).resume();',
)}`;

function listening(line: string): Record<string, string> | undefined {
  if (!line.includes('"listening"')) return undefined;
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === "object" && parsed !== null && "msg" in parsed && parsed.msg === "listening"
      ? (parsed as Record<string, string>)
      : undefined;
  } catch {
    return undefined;
  }
}
