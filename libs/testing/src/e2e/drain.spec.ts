import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startService, type Child, type Organisation } from "../system/index.js";
import { missing, publish, startRunning, type Published, type Running } from "./fixture.js";
import { JobStream, boundBatches } from "./job-stream.js";

/** Longer than any process may take to drain: what is killed after that has not drained. */
const GRACE_MS = 40_000;
const CALLERS = 40;

/** Every process is ended by SIGTERM, as an upgrade does, while jobs are under way: none is lost, none fails, no batch serves twice. */
describe.skipIf(missing)("stopped under a stream of jobs", () => {
  let running: Running;
  let model: Published;
  let before: number;

  const organisation = (id: string): Organisation => {
    const found = running.organisations.get(id);
    if (!found) throw new Error(`${id} runs`);
    return found;
  };
  /** SIGTERM; the process must end by itself, and well. */
  const stop = async (child: Child) => {
    await child.stop(GRACE_MS);
    expect({ name: child.name, code: child.process.exitCode }).toEqual({ name: child.name, code: 0 });
  };
  const replaceWorker = async (id: string) => {
    const { workers } = organisation(id);
    const [old] = workers.splice(0, 1);
    await stop(old);
    await organisation(id).addWorker();
  };
  const restartAccessPoint = async (id: string) => {
    const org = organisation(id);
    await stop(org.accessPoint);
    const env = org.accessPointEnv;
    org.accessPoint = await startService({
      service: "access-point",
      name: `${id}-access-point`,
      logs: running.logs,
      env,
    });
  };
  /** What holds after a stream of jobs, whatever was stopped. */
  const check = async (stream: JobStream, mostAttempts: number) => {
    const jobs = await stream.finish();
    const attempts = jobs.map(({ details }) => details?.job?.attempts ?? 0);
    const batches = await boundBatches(running);
    expect(new Set(batches).size).toBe(batches.length);
    expect(batches.length - before).toBeGreaterThanOrEqual(jobs.length);
    expect(Math.max(...attempts)).toBeLessThanOrEqual(mostAttempts);
  };

  beforeAll(async () => {
    running = await startRunning();
    await Promise.all(["clinic-a", "clinic-b"].map((id) => organisation(id).addWorker()));
    model = await publish(running, "a", 100_000);
  }, 120_000);
  beforeEach(async () => {
    before = (await boundBatches(running)).length;
  });
  afterAll(() => running?.remove(), 60_000);

  it("a worker of each side, replaced by a new one", async () => {
    const stream = new JobStream(running, model, CALLERS);
    await stream.more(CALLERS);
    await Promise.all(["clinic-a", "clinic-b"].map(replaceWorker));
    await stream.more(CALLERS);
    await check(stream, 2);
  }, 180_000);

  it("the access points, one after the other", async () => {
    const stream = new JobStream(running, model, CALLERS);
    for (const id of ["clinic-b", "clinic-a"]) {
      await stream.more(CALLERS);
      await restartAccessPoint(id);
    }
    await stream.more(CALLERS);
    await check(stream, 4);
  }, 180_000);

  it.each(["scheduler", "agreements", "identity", "registry", "dealer"] as const)(
    "%s",
    async (service) => {
      const stream = new JobStream(running, model, CALLERS);
      await stream.more(CALLERS);
      const child = running.services.get(service) as Child;
      await stop(child);
      await running.restart(service);
      await stream.more(CALLERS);
      await check(stream, 3);
    },
    180_000,
  );
});
