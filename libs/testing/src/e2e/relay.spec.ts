import { cost, schedule } from "@parley/plan";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startRelay, type Passed, type Relay } from "./counting-relay.js";
import { images, missing, predict, publish, startRunning, until, type Published, type Running } from "./fixture.js";

/** TLS 1.3 handshake with two certificates, HTTP/2 settings and headers, in each direction. */
const CONNECTION_BYTES = 6 * 1024;
/** Headers of a stream, Hello, Lot, Batch, Ready, keepalives. */
const STREAM_BYTES = 2048;
/** Dry exchanges of a new stream, at most. */
const WARMING = 20;
/** Bind carries a signed ticket; Bound is empty. */
const BIND_BYTES = 1024;
/** The frame's head and its field, gRPC's prefix, HTTP/2 frame, TLS record, acknowledgements; P1's transcript hash. */
const MESSAGE_BYTES = 96;
/** The same again for every 16 KiB of a long message. */
const BULK = 0.01;

/** A counting relay between the workers. All sessions share a connection; D has one of its own. */
describe.skipIf(missing)("what passes between the workers", () => {
  let relay: Relay;
  let running: Running;
  let model: Published;

  const isMask = (c: Passed) => c.down >= cost(model.model.plan, 1).maskBytes;
  const total = () =>
    relay.connections
      .filter((c) => !isMask(c))
      .reduce((sum, { up, down }) => ({ up: sum.up + up, down: sum.down + down }), { up: 0, down: 0 });

  /** Resolves when nothing has passed for a second: the sessions in stock are prepared. */
  async function quiet(): Promise<{ up: number; down: number }> {
    let [last, since] = [total(), Date.now()];
    await until(() => {
      const now = total();
      if (now.up !== last.up || now.down !== last.down) [last, since] = [now, Date.now()];
      return Date.now() - since > 1000;
    }, "the workers to be quiet");
    return last;
  }

  /** One job of one run: what passed because of it, the preparation of the next session included. */
  async function run(records: number): Promise<{ up: number; down: number }> {
    const before = await quiet();
    const { dataset, pixels } = images(records);
    const job = await predict(running.b, model.asset, dataset);
    if (!job.success) throw job.error ?? new Error(job.state);
    expect(job.timings?.runs).toBe(1);
    expect(job.result.logits).toEqual(model.twin(pixels));
    const after = await quiet();
    return { up: after.up - before.up, down: after.down - before.down };
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
    // Until as many sessions are in stock as there is demand for.
    for (let job = 0; job < 6; job++) await run(1);
    for (let job = 0; job < 2; job++) {
      const passed = await run(1); // its online phase, and the offline shares of the run after it
      expectWithin(passed.up, declared(1, 1), STREAM_BYTES + BIND_BYTES);
      expectWithin(passed.down, declared(1, 0), STREAM_BYTES);
    }
  }, 120_000);

  it("is hardly more than the declared bytes, and the dry exchanges of its stream, where there are many records", async () => {
    const passed = await run(32);
    for (const [seen, from] of [
      [passed.up, 1],
      [passed.down, 0],
    ] as const) {
      const [whole, dry] = [declared(32, from), declared(32, from, true)];
      const exchanges = Math.floor((seen - whole.bytes) / dry.bytes);
      expect(exchanges).toBeGreaterThanOrEqual(0);
      expect(exchanges).toBeLessThanOrEqual(WARMING);
      const all = {
        bytes: whole.bytes + exchanges * dry.bytes,
        messages: whole.messages + exchanges * (dry.messages + 1),
      };
      expectWithin(seen, all, STREAM_BYTES + BIND_BYTES);
    }
  }, 60_000);

  it("holds the masked weights once, however many jobs there are", () => {
    const { maskBytes } = cost(model.model.plan, 1);
    const masks = relay.connections.filter(isMask);
    expect(masks).toHaveLength(1);
    expectWithin(masks[0].down, { bytes: maskBytes, messages: 1 }, CONNECTION_BYTES);
    expect(masks[0].up).toBeLessThanOrEqual(CONNECTION_BYTES);
  });
});
