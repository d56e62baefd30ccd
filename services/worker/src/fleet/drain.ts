import type { Logger } from "@parley/service-kit";
import { setTimeout as sleep } from "node:timers/promises";
import type { PeerServer } from "../peer/peer-server.js";
import type { Runner } from "../session/runner.js";
import type { Stock } from "../session/stock.js";
import type { FleetLink } from "./fleet-link.js";

interface Parts {
  readonly peers: Pick<PeerServer, "drain" | "sessions">;
  readonly link: Pick<FleetLink, "drain" | "owed">;
  readonly stock: Pick<Stock, "close">;
  readonly runner: Pick<Runner, "busy">;
}

/** How long the access point has to say that no more runs come. */
const WORD_MS = 2_000;
const LOOK_MS = 20;

/**
 * How a worker stops. Partners' prepared sessions end at once, with a word by which they are prepared elsewhere; bound runs
 * are finished. Its own access point gives it no more runs; those that were given are run, on the sessions that are prepared
 * for them, and their results handed over. All that for at most `ms`.
 */
export async function drain({ peers, link, stock, runner }: Parts, ms: number, logger: Logger): Promise<void> {
  const until = Date.now() + ms;
  peers.drain();
  await Promise.race([link.drain(), sleep(Math.min(WORD_MS, ms))]);
  stock.close();
  while ((runner.busy > 0 || peers.sessions > 0 || link.owed > 0) && Date.now() < until) await sleep(LOOK_MS);
  const left = { runs: runner.busy, sessions: peers.sessions, owed: link.owed };
  if (left.runs + left.sessions + left.owed > 0) logger.warn(left, "the time to drain is over; what is left is lost");
}
