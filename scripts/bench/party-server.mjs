// P0, the model owner's worker, as a process of its own.
import { answer } from "./process-calls.mjs";
import { telemetryOf } from "./process-telemetry.mjs";

await telemetryOf("worker");
const clock = process.env.PARLEY_BENCH_KERNELS ? await import("./kernel-clock.mjs") : undefined;
const { serveSessions } = await import("./party-engine.mjs");

let served;

answer({
  async serve(setting) {
    served = await serveSessions(setting, (what) => {
      if (what === "bindRun") clock?.start();
      if (what === "runEnded") clock?.stop();
    });
    return served.address;
  },
  kernels: () => clock?.take(),
});
