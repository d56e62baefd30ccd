import { Code, type fleet } from "@parley/proto";
import { describe, expect, it } from "vitest";
import { Changes } from "../changes.js";
import { AttachedWorker } from "./attached-worker.js";
import { Dispatcher, type RunOutcome } from "./dispatcher.js";
import type { Fleet } from "./fleet.js";

/** Workers, and what is sent to them, in order. */
function attached(names: readonly string[], concurrency = 4) {
  const sent: { to: string; what: string }[] = [];
  const workers = names.map((name) => {
    const worker = new AttachedWorker(name, "", concurrency);
    worker.send = ({ $case }) => void sent.push({ to: name, what: $case });
    return worker;
  });
  return { workers, sent };
}

const order = async () => ({}) as fleet.RunOrder;
const task = (attempt: string) => ({ job: "j", attempt, run: 0, records: 1, agreement: "d", order });
const turn = () => new Promise((resolve) => setImmediate(resolve));
const ok: RunOutcome = {
  ok: true,
  output: Buffer.alloc(0),
  timings: { onlineMicros: 0, bindMicros: 0, offlineMicros: 0, messages: 0, bytesP1ToP0: 0, bytesP0ToP1: 0 },
};

describe("Dispatcher", () => {
  it("spreads runs: prepared sessions first, each for one run, then the least loaded, of equal ones in turn", async () => {
    const { workers, sent } = attached(["w1", "w2", "w3"]);
    workers[1].stock = [{ agreement: "d", records: 1, sessions: 2 }];
    const dispatcher = new Dispatcher({ workers } as unknown as Fleet, new Changes(), "clinic-b");
    for (const attempt of "abcdef") void dispatcher.run(task(attempt));
    await turn();
    expect(sent.map(({ to }) => to)).toEqual(["w2", "w2", "w1", "w3", "w1", "w3"]);
    const { workers: idle, sent: alone } = attached(["w1", "w2"]);
    const sparse = new Dispatcher({ workers: idle } as unknown as Fleet, new Changes(), "clinic-b");
    for (const attempt of "abcd") {
      const ended = sparse.run(task(attempt));
      await turn();
      sparse.finish({ attempt, run: 0 }, ok);
      await ended;
    }
    expect(alone.map(({ to }) => to)).toEqual(["w1", "w2", "w1", "w2"]);
  });

  it("gives work to a worker as soon as it is there, and none to one that stops, not even what it was about to send", async () => {
    const { workers, sent } = attached(["w1", "w2"], 1);
    const changes = new Changes();
    const here = [workers[0]];
    const dispatcher = new Dispatcher({ workers: here } as unknown as Fleet, changes, "clinic-b");
    void dispatcher.run(task("a"));
    void dispatcher.run(task("b"));
    await turn();
    expect(sent).toEqual([{ to: "w1", what: "run" }]);
    here.push(workers[1]);
    changes.emit("workers"); // and stops before the order has been read from the disk
    workers[1].draining = true;
    await turn();
    expect(sent).toHaveLength(1);
    workers[1].draining = false;
    changes.emit("workers");
    await turn();
    expect(sent.at(-1)).toEqual({ to: "w2", what: "run" });
  });

  it("that closes fails what waits, to be tried again, and waits for what runs", async () => {
    const { workers } = attached(["w1"], 1);
    const dispatcher = new Dispatcher({ workers } as unknown as Fleet, new Changes(), "clinic-b");
    const runs = dispatcher.run(task("a"));
    const waits = dispatcher.run(task("b"));
    dispatcher.close();
    const again = { ok: false, retryable: true, revealed: false, failure: { reason: "ACCESS_POINT_STOPS" } };
    expect(await waits).toMatchObject(again);
    expect(await dispatcher.run(task("c"))).toMatchObject(again);
    let isIdle = false;
    const idle = dispatcher.idle(60_000).then(() => (isIdle = true));
    await turn();
    expect(isIdle).toBe(false);
    expect(dispatcher.finish({ attempt: "a", run: 0 }, ok)).toBe("ended");
    expect(await runs).toBe(ok);
    await idle;
  });

  it("does not let a worker that says nothing hold a run for ever: it is told to stop, and the attempt may be tried again", async () => {
    const { workers, sent } = attached(["quiet"]);
    const fleetOf = { workers } as unknown as Fleet;
    const times = { waitMs: 60_000, graceMs: 1_000, runMs: 20 };
    const dispatcher = new Dispatcher(fleetOf, new Changes(), "clinic-b", undefined, times);
    const outcome = await dispatcher.run(task("a"));
    expect(outcome).toMatchObject({
      ok: false,
      retryable: true,
      failure: { code: Code.ABORTED, reason: "WORKER_SILENT" },
    });
    expect(sent.map(({ what }) => what)).toEqual(["run", "cancel"]);
    expect(workers[0].runs.size).toBe(0);
    expect(dispatcher.finish({ attempt: "a", run: 0 }, outcome)).toBe("unknown");
  });
});
