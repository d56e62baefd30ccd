// P1, the data owner's worker, as a process of its own: prepares runs, runs them, compares each result.
import { answer } from "./process-calls.mjs";
import { Prepared } from "./prepared.mjs";
import { telemetryOf } from "./process-telemetry.mjs";

await telemetryOf("worker");
const clock = process.env.PARLEY_BENCH_KERNELS ? await import("./kernel-clock.mjs") : undefined;
const { sessionsOf } = await import("./party-engine.mjs");
/** The batch as runs, and inputs with the results that must come out. */
let work;
let prepared;

answer({
  async open({ setting, runs, samples, holdBytes }) {
    const sessions = sessionsOf(setting);
    work = { runs, samples };
    prepared = new Prepared(sessions, runs, holdBytes, clock);
  },
  /** Prepares as many batches as may be held, at most `count`; returns how many records they have. */
  prepare: ({ count }) => prepared.fill(count),
  /** One batch, run after run. */
  run: ({ sample }) => prepared.runBatch(work.samples[sample]),
  /** The same, and milliseconds of its messages without computation; the first of two wakes P0, as bind does before a run. */
  async runAndDry({ sample }) {
    const run = await prepared.runBatch(work.samples[sample]);
    await prepared.dryBatch();
    return { ...run, dryMs: await prepared.dryBatch() };
  },
  /** Batches one after the other for so long, each prepared in the background while another runs. */
  sustain: ({ ms, streams }) => prepared.sustain(ms, streams, work.samples),
  kernels: () => clock?.take(),
});
