import type { RunningService } from "@parley/service-kit";
import { createServer } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WorkerContext } from "../app.module.js";
import { Scene } from "../spec-support/scene.js";

const until = (check: () => void) => vi.waitFor(check, { timeout: 30_000 });

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

describe("a worker that is stopped", () => {
  let scene: Scene;
  afterEach(() => scene?.close());
  const worker = (name: string) => scene.workers.get(name) as RunningService;
  const sessions = (name: string) => worker(name).app.get(WorkerContext).peers.sessions;

  /** The model owner's access point answers the first bind when it is told to. */
  const holdFirstBind = () => {
    let go = () => {};
    const held = new Promise<void>((resolve) => (go = resolve));
    scene.a.onAsk = ({ $case }) => ($case === "bindRun" && scene.a.of("bindRun").length === 1 ? held : undefined);
    return go;
  };

  it("of the data owner: does the runs that were given to it, those too that come before its word, and hands their results over", async () => {
    scene = await Scene.start();
    await scene.keepPrepared(2);
    const go = holdFirstBind();
    const running = scene.expectExact(1);
    await until(() => expect(scene.a.of("bindRun")).toHaveLength(1));
    const crossed: Promise<void>[] = [];
    scene.b.onAsk = ({ $case }) => {
      if ($case === "draining") crossed.push(scene.expectExact(1)); // it is answered after that order
    };
    const stopped = worker("worker-b").close();
    await until(() => expect(crossed).toHaveLength(1));
    go();
    await Promise.all([running, ...crossed]);
    await stopped;
    await until(() => expect(sessions("worker-a")).toBe(0));
  });

  it("of the data owner: says in its next hello that it runs nothing, where the access point was away", async () => {
    scene = await Scene.start();
    const go = holdFirstBind();
    const running = scene.expectExact(1);
    await until(() => expect(scene.a.of("bindRun")).toHaveLength(1));
    scene.b.breakStreams();
    const stopped = worker("worker-b").close();
    await until(() => expect(scene.b.of("hello").at(-1)).toMatchObject({ concurrency: 0, endpoint: "" }));
    go();
    await Promise.all([running, stopped]);
  });

  it("of the model owner: its prepared sessions are prepared with another one at once, and no run fails", async () => {
    const port = await freePort();
    const resolve = async () => ["127.0.0.1", "127.0.0.2"]; // also when one is gone already
    scene = await Scene.start({ at: `127.0.0.1:${port}`, resolve });
    await scene.startWorker(scene.a, "worker-a2", `127.0.0.2:${port}`);
    await scene.keepPrepared(4);
    expect([sessions("worker-a"), sessions("worker-a2")]).toEqual([2, 2]);
    let isOver = false;
    const caller = async () => {
      while (!isOver) await scene.expectExact(1);
    };
    const callers = Promise.all([caller(), caller(), caller()]);
    await until(() => expect(scene.a.of("runEnded").length).toBeGreaterThan(20));
    await worker("worker-a").close();
    await until(() => expect(sessions("worker-a2")).toBeGreaterThanOrEqual(4));
    isOver = true;
    await callers;
    await until(() => expect(scene.a.of("runEnded")).toHaveLength(scene.a.of("bindRun").length));
    expect(scene.a.of("runEnded").every(({ revealed }) => revealed)).toBe(true);
    const context = worker("worker-b").app.get(WorkerContext);
    await until(() => expect(context.busy).toBe(0)); // also of runs whose first session had gone
  });
});
