import type { RunningService } from "@parley/service-kit";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WorkerContext } from "../app.module.js";
import { Scene } from "../spec-support/scene.js";
import { moves } from "./balance.js";

const until = (check: () => void) => vi.waitFor(check, { timeout: 30_000 });

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

describe("moves", () => {
  const of = (streams: Record<string, number>, fresh: string[] = [], random = 0.5) =>
    moves({ streams: new Map(Object.entries(streams)), fresh }, () => random);

  it("take a quarter of the difference from where most are", () => {
    expect(of({ a: 2, b: 0 })).toEqual(["a"]);
    expect(of({ a: 1, b: 9, c: 4 })).toEqual(["b", "b"]);
  });

  it("are none where the spread is even, and for ever: after a move there is no way back", () => {
    const spreads: Record<string, number>[] = [{}, { a: 3 }, { a: 1, b: 0 }, { a: 2, b: 2, c: 1 }];
    for (const even of spreads) expect(of(even)).toEqual([]);
  });

  it("give a new address its share also of few, by chance", () => {
    expect(of({ a: 1, b: 0 }, ["b"], 0.49)).toEqual(["a"]);
    expect(of({ a: 1, b: 0 }, ["b"], 0.51)).toEqual([]);
    expect(of({ a: 1, b: 1, c: 0 }, ["c"], 0.6)).toHaveLength(1);
    expect(of({ a: 1, b: 0 }, ["a"], 0)).toEqual([]);
    expect(of({ a: 1, b: 1 }, ["b"], 0)).toEqual([]);
  });
});

/** A name that leads to several workers of the model owner, as a headless service does. */
describe("sessions with several workers behind one name", () => {
  let scene: Scene;
  let port: number;
  let addresses: string[];
  let looked: number;
  const sessions = (worker: string) =>
    (scene.workers.get(worker) as RunningService).app.get(WorkerContext).peers.sessions;
  const add = async (n: number) => {
    await scene.startWorker(scene.a, `worker-a${n}`, `127.0.0.${n}:${port}`);
    addresses = [...addresses, `127.0.0.${n}`];
  };

  beforeEach(async () => {
    addresses = ["127.0.0.1"];
    looked = 0;
    port = await freePort();
    const resolve = async (host: string) => {
      expect(host).toBe("localhost");
      looked++;
      if (addresses.length === 0) throw new Error("no such name");
      return addresses;
    };
    scene = await Scene.start({ at: `127.0.0.1:${port}`, resolve });
  });
  afterEach(() => scene?.close());

  it("go to a new one soon, and runs with them", async () => {
    await scene.keepPrepared(4);
    expect(sessions("worker-a")).toBe(4);
    await add(2);
    await until(() => expect([sessions("worker-a"), sessions("worker-a2")]).toEqual([2, 2]));
    await add(3);
    await until(() => expect(sessions("worker-a3")).toBeGreaterThan(0));
    await Promise.all(Array.from({ length: 8 }, () => scene.expectExact(1)));
  });

  it("are opened where the fewest are", async () => {
    await add(2);
    await add(3);
    await scene.keepPrepared(3);
    expect(["worker-a", "worker-a2", "worker-a3"].map(sessions)).toEqual([1, 1, 1]);
  });

  it("leave an address where nobody answers alone, whatever the name says", async () => {
    addresses = ["127.0.0.9", "127.0.0.1"]; // nobody is at the first
    await Promise.all(Array.from({ length: 6 }, () => scene.expectExact(1)));
    await scene.keepPrepared(3);
    expect(sessions("worker-a")).toBe(3);
  });

  it("find the worker that takes the place of the only one", async () => {
    await scene.expectExact(1);
    await scene.startWorker(scene.a, "worker-a2", `127.0.0.2:${port}`);
    await scene.workers.get("worker-a")?.close();
    const run = scene.expectExact(1); // begins while the name still leads to the old one
    addresses = ["127.0.0.2"];
    await run;
  });

  it("stay, where the name cannot be looked up", async () => {
    await scene.keepPrepared(2);
    addresses = [];
    const before = looked;
    await until(() => expect(looked).toBeGreaterThan(before + 1));
    expect(sessions("worker-a")).toBe(2);
    await Promise.all(Array.from({ length: 3 }, () => scene.expectExact(1))); // one more than is prepared
  });
});

/** A gateway or a load balancer: one address, and each connection goes to the next worker. */
describe("sessions with several workers behind one address", () => {
  let scene: Scene;
  afterEach(() => scene?.close());

  const open = async (partnerConnections: number) => {
    scene = await Scene.start({ partnerConnections });
    const second = await scene.startWorker(scene.a, "worker-a2");
    scene.relay.targets = [scene.relay.target, second.addresses.mtls];
    await scene.keepPrepared(4);
    return ["worker-a", "worker-a2"].map(
      (name) => (scene.workers.get(name) as RunningService).app.get(WorkerContext).peers.sessions,
    );
  };

  it("reach one of them over one connection", async () => {
    expect((await open(1)).toSorted()).toEqual([0, 4]);
    await Promise.all(Array.from({ length: 8 }, () => scene.expectExact(1)));
    // The other was for the masked weights, from the other worker: sessions must not take its certificate for theirs.
    expect(scene.relay.connections).toBe(2);
  });

  it("reach all of them over several connections, and runs with them", async () => {
    expect(await open(2)).toEqual([2, 2]);
    await Promise.all(Array.from({ length: 8 }, () => scene.expectExact(1)));
  });

  it("go on when the connections are cut", async () => {
    await open(2);
    scene.relay.cut();
    await Promise.all(Array.from({ length: 8 }, () => scene.expectExact(1)));
  });
});
