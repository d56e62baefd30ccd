import { existsSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { startChild, type Child } from "./child-process.js";
import { freePorts } from "./free-port.js";
import { repository } from "./service-process.js";

/** Path of a Redis or Valkey server, or undefined. `npm test`, `npm run demo` and `npm start` bring one first. */
export function findRedis(): string | undefined {
  const dirs = (process.env.PATH ?? "").split(delimiter);
  const onPath = ["valkey-server", "redis-server"].flatMap((name) => dirs.map((dir) => join(dir, name)));
  return [
    process.env.PARLEY_REDIS_SERVER ?? "",
    ...onPath,
    join(repository, "node_modules/.cache/parley/redis/redis-server"),
  ].find((file) => file !== "" && existsSync(file));
}

export interface Redis extends Child {
  readonly url: string;
}

/** Starts a server on loopback with an append-only file in `folder`. The same port again after a stop: pass it. */
export async function startRedis(folder: string, logs: string, port?: number): Promise<Redis> {
  const command = findRedis();
  if (!command)
    throw new Error(
      "no Redis or Valkey server found; install one (Debian: apt-get install redis-server) or run npm test",
    );
  mkdirSync(folder, { recursive: true });
  const chosen = port ?? (await freePorts(1))[0];
  const args = [
    "--port",
    String(chosen),
    "--bind",
    "127.0.0.1",
    "--dir",
    folder,
    "--appendonly",
    "yes",
    "--save",
    "",
    "--maxmemory-policy",
    "noeviction",
  ];
  const ready = (line: string) => (/Ready to accept connections/i.test(line) ? {} : undefined);
  const child = await startChild({ name: "redis", command, args, logs, ready });
  return { ...child, url: `redis://127.0.0.1:${chosen}` };
}
