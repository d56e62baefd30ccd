import type { Client } from "@grpc/grpc-js";

/** How long a new connection may take, and how long calls that wait on the former one have, milliseconds. */
const READY_MS = 10_000;
const LEAVE_MS = 60_000;

/**
 * A client whose connection is exchanged for a new one after `renewMs`, so that a server that was added behind the same name gets its
 * share of those that call all the time. The new one is used once it stands; calls on the former one, lasting streams among
 * them, go on until they end. Nothing happens between calls: a connection that nobody uses is not renewed.
 * @param renewMs milliseconds; 0 or undefined: one connection for ever
 */
export function renewed(make: () => Client, renewMs = 0): { readonly current: Client; close(): void } {
  let client = make();
  let since = performance.now();
  let next: Client | undefined;
  let closed = false;
  const leaving = new Map<Client, NodeJS.Timeout>();

  const renew = () => {
    const made = (next = make());
    made.waitForReady(Date.now() + READY_MS, (error) => {
      if (next !== made) return;
      next = undefined;
      since = performance.now();
      if (error || closed) return made.close();
      const former = client;
      client = made;
      const leave = () => {
        leaving.delete(former);
        former.close();
      };
      leaving.set(former, setTimeout(leave, LEAVE_MS).unref());
    });
  };

  return {
    get current() {
      if (renewMs > 0 && !next && !closed && performance.now() - since > renewMs) renew();
      return client;
    },
    close() {
      closed = true;
      for (const [former, timer] of leaving) {
        clearTimeout(timer);
        former.close();
      }
      leaving.clear();
      next?.close();
      client.close();
    },
  };
}
