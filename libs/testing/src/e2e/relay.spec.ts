import { cost, schedule } from "@parley/plan";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startRelay, type Passed, type Relay } from "./counting-relay.js";
import { images, missing, predict, publish, startRunning, until, type Published, type Running } from "./fixture.js";

/** TLS 1.3 handshake with two certificates, HTTP/2 settings and headers, Hello, Batch and Ready, in each direction. */
const CONNECTION_BYTES = 6 * 1024;
/** Bind carries a signed ticket; Bound is empty. */
const BIND_BYTES = 1024;
/** The frame's head and its field, gRPC's prefix, HTTP/2 frame, TLS record, acknowledgements; P1's transcript hash. */
const MESSAGE_BYTES = 96;
/** The same again for every 16 KiB of a long message. */
const BULK = 0.01;

/** A counting relay between the workers. Every session has a connection of its own that ends with its run; so has D. */
describe.skipIf(missing)("what passes between the workers", () => {
  let relay: Relay;
  let running: Running;
  let model: Published;

  const isMask = (c: Passed) => c.down >= cost(model.model.plan, 1).maskBytes;
  const sessions = () => relay.connections.filter((c) => !isMask(c));

  /** One job of one run; returns the connection that it ended. Sessions in stock stay open. */
  async function run(records: number): Promise<Passed> {
    const before = new Set(sessions().filter((c) => c.closed));
    const { dataset, pixels } = images(records);
    const job = await predict(running.b, model.asset, dataset);
    if (!job.success) throw job.error ?? new Error(job.state);
    expect(job.timings?.runs).toBe(1);
    expect(job.result.logits).toEqual(model.twin(pixels));
    const ended = () => sessions().filter((c) => c.closed && !before.has(c));
    await until(() => ended().length > 0, "the connection of the run to end");
    return ended().reduce((most, c) => (c.up > most.up ? c : most));
  }

  /** Declared payloads and messages of a whole session, or of its online phase, from one party. */
  function declared(records: number, from: 0 | 1, online = false) {
    const own = schedule(model.model.plan, records).messages.filter(
      (m) => m.from === from && (m.phase === "online" || !online),
    );
    return { bytes: own.reduce((sum, m) => sum + m.bytes, 0), messages: own.length };
  }

  function expectWithin(seen: number, { bytes, messages }: { bytes: number; messages: number }, once: number) {
    expect(seen).toBeGreaterThanOrEqual(bytes);
    expect(seen).toBeLessThanOrEqual(Math.ceil(bytes * (1 + BULK)) + messages * MESSAGE_BYTES + once);
  }

  beforeAll(async () => {
    relay = await startRelay(() => running.organisations.get("clinic-a")?.workerEnv.PARLEY_LISTEN ?? "");
    running = await startRunning({ workerEnv: { "clinic-a": { PARLEY_ENDPOINT: `localhost:${relay.port}` } } });
    model = await publish(running, "a", 100);
  }, 120_000);
  afterAll(async () => {
    await running?.remove();
    relay?.close();
  }, 60_000);

  it("is what the plan declares, and the overhead of TLS, HTTP/2 and control messages", async () => {
    const { online, offline } = cost(model.model.plan, 1);
    expect(declared(1, 1).bytes).toBe(offline.p1ToP0 + online.p1ToP0);
    expect(declared(1, 0).bytes).toBe(online.p0ToP1);
    for (let job = 0; job < 2; job++) {
      const passed = await run(1);
      expectWithin(passed.up, declared(1, 1), CONNECTION_BYTES + BIND_BYTES);
      expectWithin(passed.down, declared(1, 0), CONNECTION_BYTES);
    }
  });

  it("is hardly more than the declared bytes where there are many records", async () => {
    const passed = await run(32);
    expect(declared(32, 1).bytes).toBeGreaterThan(20 * (CONNECTION_BYTES + BIND_BYTES));
    expectWithin(passed.up, declared(32, 1), CONNECTION_BYTES + BIND_BYTES);
    expectWithin(passed.down, declared(32, 0), CONNECTION_BYTES);
  });

  it("is, once a session is prepared, the online bytes and a ticket", async () => {
    const open = () => sessions().filter((c) => !c.closed);
    // One session is prepared at a time: where a second one is open, the first is ready.
    await until(() => open().length >= 2, "two sessions in stock");
    const [oldest] = open();
    const before = { ...oldest };
    const passed = await run(1);
    expect(passed).toBe(oldest);
    expectWithin(passed.up - before.up, declared(1, 1, true), BIND_BYTES);
    expectWithin(passed.down - before.down, declared(1, 0, true), 0);
  });

  it("holds the masked weights once, however many jobs there are", () => {
    const { maskBytes } = cost(model.model.plan, 1);
    const masks = relay.connections.filter(isMask);
    expect(masks).toHaveLength(1);
    expectWithin(masks[0].down, { bytes: maskBytes, messages: 1 }, CONNECTION_BYTES);
    expect(masks[0].up).toBeLessThanOrEqual(CONNECTION_BYTES);
  });
});
