import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

/** What the figures depend on. `load`: runnable tasks before the benchmark started; on a quiet machine near 0. */
export function describeMachine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 16).replace("T", " ") + " UTC",
    load: Math.round(loadavg()[0] * 100) / 100,
  };
}
