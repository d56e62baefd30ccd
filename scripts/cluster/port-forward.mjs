// The way from here to an access point in the cluster: kubectl port-forward, started again when its pod is replaced.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

const AGAIN_MS = 300;
const START_MS = 60_000;

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** @returns address `localhost:port`, which stays the same, and how to end it */
export async function forward(namespace, target, port) {
  const local = await freePort();
  let child;
  let ended = false;
  let isReady;
  const ready = new Promise((resolve) => (isReady = resolve));
  const start = () => {
    child = spawn("kubectl", ["-n", namespace, "port-forward", "--address", "127.0.0.1", target, `${local}:${port}`], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.once("data", () => isReady());
    // A forward whose pod is gone lives on and refuses each connection: it says so.
    child.stderr.on("data", (text) => {
      if (/lost connection|error forwarding|not running|not found/i.test(String(text))) child.kill();
    });
    child.once("close", async () => {
      await pause(AGAIN_MS);
      if (!ended) start();
    });
  };
  start();
  const stop = () => {
    ended = true;
    child.kill();
  };
  const late = pause(START_MS, "late", { ref: false });
  if ((await Promise.race([ready, late])) === "late") {
    stop();
    throw new Error(`no way to ${target} in namespace ${namespace} within ${START_MS / 1000} s`);
  }
  return { address: `localhost:${local}`, stop };
}
