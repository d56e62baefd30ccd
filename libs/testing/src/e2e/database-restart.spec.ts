import { createDatabase, startTestPostgres, type TestPostgres } from "@parley/service-kit/testing";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { missing, publish, startRunning, until, type Published, type Running } from "./fixture.js";
import { JobStream, boundBatches } from "./job-stream.js";

const AWAY_MS = 12_000;
const server = missing ? undefined : await startTestPostgres();

/** One PostgreSQL behind all router services and the dealer, as a failover sees it: away for a while, then back. */
describe.skipIf(!server)("the database is restarted under a stream of jobs", () => {
  let running: Running;
  let model: Published;

  beforeAll(async () => {
    running = await startRunning({ databaseUrl: await createDatabase(server as TestPostgres, "parley") });
    model = await publish(running, "a", 100_000);
  }, 180_000);
  afterAll(async () => {
    await running?.remove();
    await server?.stop();
  }, 60_000);

  it("loses no job, uses no batch twice, counts each record once", async () => {
    const stream = new JobStream(running, model, 8);
    await stream.more(16);
    await server?.pause();
    await pause(AWAY_MS);
    await server?.resume();
    await stream.more(40);
    const jobs = await stream.finish();
    const batches = await boundBatches(running);
    expect(new Set(batches).size).toBe(batches.length);
    expect(batches.length).toBeGreaterThanOrEqual(jobs.length);
    const used = async () => Number((await running.a.agreements.get(model.agreement)).agreement.used);
    await until(async () => (await used()) >= jobs.length, "every record to be counted");
    expect(await used()).toBe(jobs.length);
  }, 240_000);
});
