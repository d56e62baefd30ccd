import { observe } from "@parley/service-kit";
import type { JobStore } from "../store/job-store.js";

/** Depth and age of the queues, from the database: every replica says the same. Returns how to end it. */
export function observeQueues(jobs: Pick<JobStore, "queues">): () => void {
  let asked: Promise<Awaited<ReturnType<JobStore["queues"]>>> | undefined;
  /** One query for both metrics, which are read together. */
  const queues = () => (asked ??= jobs.queues().finally(() => setImmediate(() => (asked = undefined))));
  const ends = [
    observe("parley.queue.depth", async (set) => {
      for (const { organisation, jobs } of await queues()) set(jobs, { organisation });
    }),
    observe("parley.queue.oldest_age", async (set) => {
      for (const { organisation, oldestSeconds } of await queues()) set(oldestSeconds, { organisation });
    }),
  ];
  return () => ends.forEach((end) => end());
}
