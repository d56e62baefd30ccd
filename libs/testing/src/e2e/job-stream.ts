import { ParleyError } from "@parley/proto";
import type { Job } from "@parley/sdk";
import { expect } from "vitest";
import { images, until, type Published, type Running } from "./fixture.js";

const PIXELS = 28 * 28;

/** Callers that submit one job after the other, each with an image of its own, until they are told to stop. */
export class JobStream {
  readonly jobs: Job[] = [];
  readonly #wrong: string[] = [];
  readonly #callers: Promise<void>[] = [];
  readonly #images = images(100);
  #isOver = false;
  #next = 0;
  #ended = 0;

  constructor(
    private readonly running: Running,
    private readonly model: Published,
    callers: number,
  ) {
    for (let i = 0; i < callers; i++) this.#callers.push(this.call());
  }

  /** Resolves when so many more jobs have ended. */
  async more(jobs: number): Promise<void> {
    const goal = this.#ended + jobs;
    await until(() => this.#wrong.length > 0 || this.#ended >= goal, `${jobs} more jobs`, 120_000);
    expect(this.#wrong).toEqual([]);
  }

  /** Ends the stream; every job must have ended well, with the right result. */
  async finish(): Promise<Job[]> {
    this.#isOver = true;
    await Promise.all(this.#callers);
    expect(this.#wrong).toEqual([]);
    return this.jobs;
  }

  private async call() {
    while (!this.#isOver && this.#wrong.length === 0) {
      const n = this.#next++ % 100;
      const pixels = this.#images.pixels.subarray(n * PIXELS, (n + 1) * PIXELS);
      const dataset = { ...this.#images.dataset, shape: [1, 28, 28], values: Float64Array.from(pixels) };
      const job = this.running.b.createJob({ operation: "predict", asset: this.model.asset, dataset });
      try {
        await job.submit({ patienceMs: 90_000 });
        this.jobs.push(job);
        if (!job.success) throw job.error ?? new Error(job.state);
        expect(job.result.logits).toEqual(this.model.twin(pixels));
      } catch (error) {
        this.#wrong.push(`${job.id}: ${error instanceof ParleyError ? `${error.reason} ` : ""}${String(error)}`);
      }
      this.#ended++;
    }
  }
}

/** Batches of all bound runs at the model owner. Each is there once, or a batch was used twice. */
export async function boundBatches(running: Running): Promise<string[]> {
  const batches: string[] = [];
  for (let token = ""; ;) {
    const page = await running.a.client.listAudit({ subject: "", page: { limit: 1000, token } });
    for (const { action, details } of page.entries)
      if (action === "run.bound") batches.push((JSON.parse(details) as { batch: string }).batch);
    if (!page.nextToken) return batches;
    token = page.nextToken;
  }
}
