import { execFile, execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { userInfo } from "node:os";
import { promisify } from "node:util";
import pg from "pg";
import { freshFolder } from "./databases.js";

const run = promisify(execFile);
const NEEDED = ["initdb", "postgres", "pg_dump", "pg_restore"];

/** A PostgreSQL server of the machine with its own tools for backups, of one version. */
export interface PostgresWithTools {
  /** A database of a user who may do nothing else. @returns its address */
  createDatabase(name: string): Promise<string>;
  /** Runs a tool of its version as somebody would in a shell. @throws Error with what it printed where it fails */
  tool(name: "pg_dump" | "pg_restore" | "psql", args: readonly string[]): Promise<string>;
  /** Restarts it as a replica that is promoted: the same rows, and the beginning of another history. */
  promote(): Promise<void>;
  stop(): Promise<void>;
}

/** Folder of the machine's PostgreSQL programs; undefined where it has not all of them. */
export function postgresPrograms(): string | undefined {
  try {
    const folder = execFileSync("pg_config", ["--bindir"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return NEEDED.every((name) => existsSync(join(folder.trim(), name))) ? folder.trim() : undefined;
  } catch {
    return undefined;
  }
}

/** Another user than root, whom PostgreSQL refuses. */
function unprivileged(): { uid?: number; gid?: number } {
  if (userInfo().uid !== 0) return {};
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** Starts the machine's PostgreSQL with a folder of its own. */
export async function startPostgresWithTools(programs: string): Promise<PostgresWithTools> {
  const folder = freshFolder("parley-postgres-");
  chmodSync(folder, 0o777); // as root the server runs under another user
  const [data, user, port] = [join(folder, "data"), unprivileged(), await freePort()];
  const program = (name: string) => join(programs, name);
  await run(program("initdb"), ["-D", data, "-U", "parley", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"], {
    ...user,
    cwd: folder,
  });
  const flags = ["-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", folder, "-c", "fsync=off"];
  const start = () =>
    spawn(program("postgres"), [...flags, "-c", "max_connections=200"], { ...user, cwd: folder, stdio: "ignore" });
  let server = start();
  const end = async () => {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGINT");
    await ended;
  };
  const url = (database: string, as = "parley") => `postgresql://${as}@127.0.0.1:${port}/${database}`;
  const query = async (text: string) => {
    const client = new pg.Client({ connectionString: url("postgres") });
    await client.connect();
    await client.query(text).finally(() => client.end());
  };
  const answers = async (tries = 300): Promise<void> => {
    for (let left = tries; ; left--) {
      const failed = await query("SELECT 1").then(
        () => undefined,
        (error: unknown) => error,
      );
      if (!failed) return;
      if (left === 0) throw failed;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  await answers();
  await query("CREATE ROLE plain LOGIN");
  return {
    createDatabase: async (name) => {
      await query(`CREATE DATABASE ${name} OWNER plain`);
      return url(name, "plain");
    },
    tool: async (name, args) => (await run(program(name), [...args], { cwd: folder })).stdout,
    promote: async () => {
      await end();
      writeFileSync(join(data, "standby.signal"), "");
      server = start();
      await answers();
      await query("SELECT pg_promote()");
    },
    stop: async () => {
      await end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
