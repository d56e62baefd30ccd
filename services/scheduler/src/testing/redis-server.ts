import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { Redis } from "ioredis";

/** A Redis or Valkey server on this machine; undefined, with a message, where there is none. */
export function findRedisServer(): string | undefined {
  const onPath = (process.env.PATH ?? "")
    .split(delimiter)
    .flatMap((folder) => ["valkey-server", "redis-server"].map((name) => join(folder, name)));
  const candidates = [process.env.PARLEY_REDIS_SERVER, ...onPath, ...broughtAlong()];
  const found = candidates.find((file) => file && existsSync(file) && spawnSync(file, ["--version"]).status === 0);
  if (!found)
    process.stderr.write(
      "no Redis server for tests on this machine; its cases are skipped. Install redis-server, or set PARLEY_REDIS_SERVER.\n",
    );
  return found;
}

/** Where the start scripts put one on a machine without. */
function broughtAlong(): string[] {
  const files: string[] = [];
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder))
    files.push(join(folder, "node_modules/.cache/parley/redis/redis-server"));
  return files;
}

/** A Redis of a test, without persistence: after a stop everything in it is gone. */
export class TestRedis {
  readonly #folder = mkdtempSync(join(tmpdir(), "parley-redis-"));
  #process: ChildProcess | undefined;

  private constructor(
    private readonly binary: string,
    private readonly port: number,
  ) {}

  static async start(binary: string): Promise<TestRedis> {
    const redis = new TestRedis(binary, await freePort());
    await redis.start();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const settings = { port: this.port, bind: "127.0.0.1", save: "", appendonly: "no", dir: this.#folder };
    const options = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
    this.#process = spawn(this.binary, options, { stdio: "ignore" });
    const probe = new Redis(this.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
    probe.on("error", () => {});
    await probe.ping();
    probe.disconnect();
  }

  /** Kills it, as a crash would. */
  async stop(): Promise<void> {
    const running = this.#process;
    if (!running) return;
    const gone = new Promise((resolve) => running.once("exit", resolve));
    running.kill("SIGKILL");
    await gone;
    this.#process = undefined;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
