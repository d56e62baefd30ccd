import { Code, ParleyError, type Job } from "@parley/sdk";
import { progress } from "./output/progress.js";

/** Waits for the end of a job with a bar on a terminal. Ctrl-C ends the waiting, not the job. @throws ParleyError INTERRUPTED */
export async function follow(job: Job, quiet: boolean | undefined): Promise<void> {
  const bar = progress("Predicting", quiet);
  const interrupt = new AbortController();
  const stop = () => interrupt.abort();
  process.once("SIGINT", stop);
  const show = (now: Job) => bar.update(now.recordsDone, now.records, now.state);
  show(job);
  try {
    await job.wait({ onProgress: show, signal: interrupt.signal });
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    throw new ParleyError(
      Code.CANCELLED,
      "INTERRUPTED",
      `job ${job.id} goes on at your access point`,
      `Follow it with: parley job watch ${job.id}; end it with: parley job cancel ${job.id}`,
    );
  } finally {
    bar.stop();
    process.off("SIGINT", stop);
  }
}
