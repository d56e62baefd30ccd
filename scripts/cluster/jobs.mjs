// Private predictions through an access point in the cluster, each compared with the plaintext fixed-point result.
import { setTimeout as pause } from "node:timers/promises";
import { isAway } from "../../libs/sdk/dist/index.js";
import { loadImages } from "../demo/images.mjs";

const PATIENCE_MS = 120_000;

/**
 * Jobs of one image each, `inFlight` at once: `count`, and as many more as begin while `more` says so.
 * @returns how many succeeded, were right, failed (with reasons), the ids, and attempts that were needed
 */
export async function streamOfJobs({ parley, asset, plain, count, inFlight, more = () => false }) {
  const images = loadImages(100).map(({ pixels }) => ({ pixels, logits: plain.logits(pixels) }));
  const outcome = { succeeded: 0, right: 0, failures: [], ids: [], ms: [] };
  let next = 0;
  const lane = async () => {
    while (next < count || more()) {
      const image = images[next++ % images.length];
      const dataset = {
        shape: [1, 28, 28],
        values: Float64Array.from(image.pixels),
        kind: "bytes",
        source: "an image",
      };
      const job = parley.createJob({ operation: "predict", asset, dataset, params: { security: "smpc" } });
      const started = performance.now();
      try {
        await job.submit({ patienceMs: PATIENCE_MS });
        outcome.ids.push(job.id);
        if (job.success) {
          outcome.succeeded++;
          const [logits] = job.result.logits;
          if (image.logits.every((value, i) => value === logits[i])) outcome.right++;
        } else outcome.failures.push(`${job.id}: ${job.error?.reason} ${job.error?.message}`);
      } catch (error) {
        outcome.failures.push(`${job.id || "not accepted"}: ${error.reason ?? ""} ${error.message}`);
      }
      outcome.ms.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return outcome;
}

/** What the access point holds of these jobs: none may be missing, none twice, none unfinished. */
export async function accountFor(parley, ids) {
  const known = await jobsOf(parley);
  const states = {};
  for (const job of known) if (ids.includes(job.id)) states[job.state] = (states[job.state] ?? 0) + 1;
  const unknown = known.filter((job) => !ids.includes(job.id) && !job.ended).length;
  return { states, distinct: new Set(ids).size, unfinished: unknown };
}

/** The way to the access point may be on its way back. */
async function jobsOf(parley) {
  for (const until = Date.now() + PATIENCE_MS; ; await pause(1000))
    try {
      return await parley.jobs();
    } catch (error) {
      if (!isAway(error) || Date.now() > until) throw error;
    }
}
