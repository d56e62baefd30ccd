import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { collect, count, forgetMetrics, measure, observe } from "./metrics.js";
import { prometheusName } from "./names.js";
import { state } from "./state.js";
import { newTrace, withTrace } from "./trace.js";

beforeEach(() => {
  state.metrics = true;
  forgetMetrics();
});
afterEach(() => {
  state.metrics = false;
  state.spans = undefined;
});

describe("metrics", () => {
  it("keep one series per set of attributes", async () => {
    count("parley.job.ended", { outcome: "succeeded" });
    count("parley.job.ended", { outcome: "succeeded" }, 2);
    count("parley.job.ended", { outcome: "failed" });
    const series = (await collect()).get("parley.job.ended");
    expect(series?.map(({ attributes, value }) => [attributes.outcome, value])).toEqual([
      ["succeeded", 3],
      ["failed", 1],
    ]);
  });

  it("put measurements into buckets, with the newest trace of each as exemplar", async () => {
    state.spans = () => {};
    const trace = newTrace();
    const attributes = { party: "p1", model: "abcdefgh" };
    withTrace(trace, () => measure("parley.online.duration", 0.02, attributes));
    measure("parley.online.duration", 5_000, attributes);
    const [entry] = (await collect()).get("parley.online.duration")!;
    expect(entry).toMatchObject({ count: 2, sum: 5_000.02 });
    expect(entry.buckets?.map((n, i) => [i, n]).filter(([, n]) => n > 0)).toEqual([
      [2, 1],
      [15, 1],
    ]);
    expect(entry.exemplars?.[2]).toMatchObject({ value: 0.02, trace });
    expect(entry.exemplars?.[15]).toBeUndefined();
  });

  it("ask observers when they are read, and no more when these have ended", async () => {
    const end = observe("parley.queue.depth", (set) => set(7, { organisation: "clinic-b" }));
    expect((await collect()).get("parley.queue.depth")).toMatchObject([
      { value: 7, attributes: { organisation: "clinic-b" } },
    ]);
    end();
    expect((await collect()).get("parley.queue.depth")).toBeUndefined();
  });

  it("refuse what is not on the allow list", () => {
    expect(() => count("parley.job.ended", { outcome: "failed", job: "job_1" } as { outcome: string })).toThrow("job");
  });

  it("record nothing while nobody reads them", async () => {
    state.metrics = false;
    count("parley.job.ended", { outcome: "succeeded" });
    expect((await collect()).get("parley.job.ended")).toBeUndefined();
  });

  it("have Prometheus' names by OpenTelemetry's rules", () => {
    expect(
      (
        [
          "parley.job.ended",
          "parley.online.io",
          "parley.job.duration",
          "parley.queue.depth",
          "nodejs.eventloop.utilization",
        ] as const
      ).map(prometheusName),
    ).toEqual([
      "parley_job_ended_total",
      "parley_online_io_bytes_total",
      "parley_job_duration_seconds",
      "parley_queue_depth",
      "nodejs_eventloop_utilization_ratio",
    ]);
  });
});
