import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { getHeapSpaceStatistics } from "node:v8";
import { observe } from "./metrics.js";

/** Milliseconds between two looks at the event loop. */
const RESOLUTION_MS = 20;
const NANOSECONDS = 1e9;

/** Metrics of the process itself. Returns how to end them. */
export function observeRuntime(): () => void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let before = performance.eventLoopUtilization();
  // The histogram counts from one look to the next as well: what is above that is delay.
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / NANOSECONDS - RESOLUTION_MS / 1_000);
  const ends = [
    observe("nodejs.eventloop.delay.p50", (set) => set(late(delay.percentile(50)), {})),
    observe("nodejs.eventloop.delay.p99", (set) => set(late(delay.percentile(99)), {})),
    observe("nodejs.eventloop.delay.max", (set) => set(late(delay.max), {})),
    observe("nodejs.eventloop.utilization", (set) => {
      const now = performance.eventLoopUtilization();
      set(performance.eventLoopUtilization(now, before).utilization, {});
      before = now;
      setImmediate(() => delay.reset());
    }),
    observe("process.cpu.time", (set) => {
      const { user, system } = process.cpuUsage();
      set(user / 1e6, { "cpu.mode": "user" });
      set(system / 1e6, { "cpu.mode": "system" });
    }),
    observe("process.memory.usage", (set) => set(process.memoryUsage.rss(), {})),
    observe("process.uptime", (set) => set(process.uptime(), {})),
    observe("v8js.memory.heap.used", (set) => {
      for (const space of getHeapSpaceStatistics())
        set(space.space_used_size, { "v8js.heap.space.name": space.space_name });
    }),
    observe("v8js.memory.heap.limit", (set) => {
      for (const space of getHeapSpaceStatistics()) set(space.space_size, { "v8js.heap.space.name": space.space_name });
    }),
  ];
  return () => {
    delay.disable();
    for (const end of ends) end();
  };
}
