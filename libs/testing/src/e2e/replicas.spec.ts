import { testDatabase, type TestDatabase } from "@parley/service-kit/testing";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePorts, startService, type Child } from "../system/index.js";
import { missing, publish, startRunning, until, type Published, type Running } from "./fixture.js";
import { Front } from "./front.js";
import { JobStream, boundBatches } from "./job-stream.js";

const SERVICES = ["identity", "registry", "agreements", "scheduler", "dealer"] as const;
type Service = (typeof SERVICES)[number];
const GRACE_MS = 40_000;
const database = missing ? undefined : await testDatabase("postgresql");

/** Two of each router service and of the dealer, on one PostgreSQL, each pair behind one address. */
describe.skipIf(missing || !database)("two replicas of every router service and of the dealer", () => {
  let running: Running;
  let model: Published;
  const fronts = new Map<Service, Front>();
  const second = new Map<Service, Child>();
  const frontOf = (service: Service) => fronts.get(service) as Front;

  /** Another process with the environment of the first, and the key files of the first. */
  const replicate = async (service: Service) => {
    const [port, health, enrol] = await freePorts(3);
    const data = join(running.folder, `${service}-2`);
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const first = running.environments.get(service) ?? {};
    const key = (name: string) => join(first.PARLEY_DATA_DIR, name);
    const env = {
      ...first,
      PARLEY_DATA_DIR: data,
      PARLEY_LISTEN: `127.0.0.1:${port}`,
      PARLEY_HEALTH_LISTEN: `127.0.0.1:${health}`,
      PARLEY_ENROL_LISTEN: `127.0.0.1:${enrol}`,
      PARLEY_SIGNING_KEY_FILE: key("signing-key.pem"),
      PARLEY_TICKET_KEK_FILE: key("ticket-kek"),
      PARLEY_DEALER_KEK_FILE: key("kek"),
    };
    second.set(service, await startService({ service, name: `${service}-2`, logs: running.logs, env }));
    frontOf(service).backends.push(port);
  };
  const portOf = (service: Service) => Number(/\d+$/.exec(running.environments.get(service)?.PARLEY_LISTEN ?? "")?.[0]);
  const check = async (stream: JobStream, before: number, mostAttempts: number) => {
    const jobs = await stream.finish();
    const batches = await boundBatches(running);
    expect(new Set(batches).size).toBe(batches.length);
    expect(batches.length - before).toBeGreaterThanOrEqual(jobs.length);
    const attempts = jobs.map(({ details }) => details?.job?.attempts ?? 0);
    expect(Math.max(...attempts)).toBeLessThanOrEqual(mostAttempts);
    return jobs.length;
  };
  const quota = async () => {
    const { used, reserved } = (await running.a.agreements.get(model.agreement)).agreement;
    return { used: Number(used), reserved: Number(reserved) };
  };

  beforeAll(async () => {
    const front = async (service: Service, address: string) => {
      const made = await Front.before(address);
      fronts.set(service, made);
      return made.address;
    };
    running = await startRunning({ databaseUrl: (database as TestDatabase).url, front });
    for (const service of SERVICES) await replicate(service);
    // Connections made until now are all with the first ones: organisations attach anew, to both.
    model = await publish(running, "a", 100_000);
  }, 180_000);
  afterAll(async () => {
    await Promise.all([...second.values()].map((child) => child.stop()));
    await running?.remove();
    for (const front of fronts.values()) front.close();
    await database?.remove();
  }, 60_000);

  it("runs jobs through both while each first one is stopped, and then through one of each: none lost, each counted once", async () => {
    const stream = new JobStream(running, model, 20);
    for (const service of SERVICES) {
      await stream.more(20);
      const child = running.services.get(service) as Child;
      await child.stop(GRACE_MS);
      expect({ service, code: child.process.exitCode }).toEqual({ service, code: 0 });
      frontOf(service).backends.splice(0, 1);
    }
    await stream.more(40);
    const jobs = await check(stream, 0, 2);
    await until(async () => (await quota()).reserved === 0, "nothing to be reserved any more");
    expect((await quota()).used).toBe(jobs);
    for (const service of SERVICES) {
      await running.restart(service);
      frontOf(service).backends.push(portOf(service));
    }
  }, 240_000);

  it("goes on when one of each dies", async () => {
    const before = (await boundBatches(running)).length;
    const { used } = await quota();
    const stream = new JobStream(running, model, 20);
    for (const service of SERVICES) {
      await stream.more(20);
      frontOf(service).backends.splice(0, 1);
      await second.get(service)?.kill();
    }
    await stream.more(40);
    const jobs = await check(stream, before, 5);
    await until(async () => (await quota()).used === used + jobs, "every record to be counted once", 60_000);
    for (const service of SERVICES) expect(frontOf(service).taken.get(portOf(service))).toBeGreaterThan(0);
  }, 240_000);
});
