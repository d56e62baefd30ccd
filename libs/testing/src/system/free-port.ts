import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below the range from which systems take ports of outgoing connections, so that none of those takes one of ours meanwhile. */
const RANGE = [20_000, 32_000] as const;

const isFree = (port: number) =>
  new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });

/** Ports that are free now, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    const port = randomInt(...RANGE);
    if (!found.has(port) && (await isFree(port))) found.add(port);
  }
  return [...found];
}
