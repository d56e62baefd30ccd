// Calls between the benchmark and the processes that it measures, over Node's own channel between parent and child.
import { fork } from "node:child_process";

const STOP_MS = 5_000;

/** CPU milliseconds used so far, user and system, and the peak of the resident memory. */
function usage() {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  return { cpuMs: (userCPUTime + systemCPUTime) / 1000, rssMiB: maxRSS / 1024 };
}

/** In a child: answers calls by name until the benchmark ends, then ends too. */
export function answer(calls) {
  const all = { usage, ...calls };
  process.on("message", async ({ id, name, argument }) => {
    try {
      process.send({ id, value: await all[name](argument) });
    } catch (error) {
      const { message, reason, hint, stack } = error;
      process.send({ id, failure: { message, reason, hint, stack } });
    }
  });
  process.on("disconnect", () => process.exit(0));
  process.on("SIGINT", () => {}); // a terminal sends it to all; the benchmark ends its children itself
  process.send({ id: 0 });
}

/** Starts a child that {@link answer}s; resolves when it is ready. */
export async function startProcess(name, file, { env = {}, nodeArgs = [] } = {}) {
  const child = fork(file, [], {
    env: { ...process.env, ...env },
    execArgv: nodeArgs,
    serialization: "advanced",
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const pending = new Map();
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const ready = new Promise((resolve, reject) => pending.set(0, { resolve, reject }));
  child.on("message", ({ id, value, failure }) => {
    const { resolve, reject } = pending.get(id);
    pending.delete(id);
    if (!failure) return resolve(value);
    reject(Object.assign(new Error(`${name}: ${failure.message}`), { hint: failure.hint, stack: failure.stack }));
  });
  void exited.then((code) => {
    for (const { reject } of pending.values()) reject(new Error(`${name} ended unexpectedly (${code})`));
    pending.clear();
  });
  await ready;
  let last = 0;
  return {
    name,
    call(name, argument) {
      return new Promise((resolve, reject) => {
        const id = ++last;
        pending.set(id, { resolve, reject });
        child.send({ id, name, argument });
      });
    },
    async stop() {
      pending.clear();
      if (child.connected) child.disconnect();
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}
