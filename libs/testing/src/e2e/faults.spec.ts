import { Code, type ParleyError } from "@parley/proto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startRedis, startService, type Redis } from "../system/index.js";
import { images, missing, predict, publish, startRunning, until, type Published, type Running } from "./fixture.js";

/** Each fault leaves the system working: the next prediction is right. */
describe.skipIf(missing)("faults", () => {
  let running: Running;
  let model: Published;
  let redisAgain: Redis | undefined;
  const { dataset, pixels } = images(1);

  beforeAll(async () => {
    running = await startRunning();
    model = await publish(running, "a", 10_000);
  }, 120_000);
  afterAll(async () => {
    await redisAgain?.stop();
    await running?.remove();
  }, 60_000);

  const works = async () => {
    const job = await predict(running.b, model.asset, dataset);
    if (!job.success) throw job.error ?? new Error(job.state);
    expect(job.result.logits).toEqual(model.twin(pixels));
  };
  const organisation = (id: string) => {
    const found = running.organisations.get(id);
    if (!found) throw new Error(`${id} runs`);
    return found;
  };

  it("works before", works, 60_000);

  it("a killed worker of the model owner: jobs wait for another one and are right", async () => {
    const a = organisation("clinic-a");
    await a.workers[0].kill();
    const job = await running.b.createJob({ operation: "predict", asset: model.asset, dataset }).send();
    await a.addWorker();
    await job.wait();
    if (!job.success) throw job.error ?? new Error(job.state);
    expect(job.result.logits).toEqual(model.twin(pixels));
  }, 120_000);

  it("a killed worker of the data owner: the same", async () => {
    const b = organisation("clinic-b");
    await b.workers[0].kill();
    const job = await running.b.createJob({ operation: "predict", asset: model.asset, dataset }).send();
    await b.addWorker();
    await job.wait();
    expect(job.success && job.result.logits).toEqual(model.twin(pixels));
  }, 120_000);

  it("restarted scheduler, agreements, registry, identity: nothing is lost", async () => {
    for (const service of ["scheduler", "agreements", "registry", "identity"] as const) await running.restart(service);
    await until(
      () =>
        works().then(
          () => true,
          () => false,
        ),
      "a prediction after the restarts",
      60_000,
    );
  }, 120_000);

  it("a dealer that is away: no result; when it is back, with new batches, a right one", async () => {
    const dealer = running.services.get("dealer");
    await dealer?.kill();
    // Sessions prepared before are used up first; then there is nothing to run on.
    const outcomes: boolean[] = [];
    const waiting = [];
    for (let i = 0; i < 8; i++) {
      const job = await running.b.createJob({ operation: "predict", asset: model.asset, dataset }).send();
      waiting.push(job);
      outcomes.push(
        await Promise.race([
          job.wait().then(() => job.success),
          new Promise<boolean>((resolve) => setTimeout(resolve, 1500, false)),
        ]),
      );
    }
    expect(outcomes.slice(-2)).toEqual([false, false]);
    await running.restart("dealer");
    await until(
      () =>
        works().then(
          () => true,
          () => false,
        ),
      "a prediction with the dealer back",
      60_000,
    );
    for (const job of waiting) if (job.success) expect(job.result.logits).toEqual(model.twin(pixels));
  }, 180_000);

  it("Redis away: jobs are refused clearly or wait, and run when it is back", async () => {
    const { redis } = running;
    const port = Number(new URL(redis.url).port);
    await redis.stop();
    const sent = await running.b
      .createJob({ operation: "predict", asset: model.asset, dataset })
      .send()
      .catch((error: ParleyError) => error);
    redisAgain = await startRedis(`${running.folder}/redis`, running.logs, port);
    if (sent instanceof Error) expect(Code[(sent as ParleyError).code]).toBe("UNAVAILABLE");
    else {
      await sent.wait();
      expect(sent.success && sent.result.logits).toEqual(model.twin(pixels));
    }
    await until(
      () =>
        works().then(
          () => true,
          () => false,
        ),
      "a prediction with Redis back",
      60_000,
    );
  }, 120_000);

  it("restarted access points: jobs, results and the single-use ledger are kept", async () => {
    const before = await predict(running.b, model.asset, dataset);
    for (const id of ["clinic-a", "clinic-b"]) {
      const org = organisation(id);
      await org.accessPoint.kill();
      org.accessPoint = await startService({
        service: "access-point",
        name: `${id}-access-point`,
        logs: running.logs,
        env: org.accessPointEnv,
      });
    }
    const found = await running.b.job(before.id);
    expect((await found.wait()).result.logits).toEqual(before.result.logits);
    await until(
      () =>
        works().then(
          () => true,
          () => false,
        ),
      "a prediction after the restarts",
      60_000,
    );
    for (const id of ["clinic-a", "clinic-b"]) await organisation(id).accessPoint.stop();
  }, 120_000);
});
