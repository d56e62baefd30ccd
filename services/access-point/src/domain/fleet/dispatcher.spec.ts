import { Code, type fleet } from "@parley/proto";
import { describe, expect, it } from "vitest";
import { Changes } from "../changes.js";
import type { AttachedWorker } from "./attached-worker.js";
import { Dispatcher } from "./dispatcher.js";
import type { Fleet } from "./fleet.js";

describe("Dispatcher", () => {
  it("does not let a worker that says nothing hold a run for ever: it is told to stop, and the attempt may be tried again", async () => {
    const sent: string[] = [];
    const worker = {
      name: "quiet",
      runs: new Set<string>(),
      free: 1,
      holds: () => true,
      send: ({ $case }: { $case: string }) => void sent.push($case),
    } as unknown as AttachedWorker;
    const fleetOf = { workers: [worker] } as unknown as Fleet;
    const times = { waitMs: 60_000, graceMs: 1_000, runMs: 20 };
    const dispatcher = new Dispatcher(fleetOf, new Changes(), "clinic-b", undefined, times);
    const order = async () => ({}) as fleet.RunOrder;
    const outcome = await dispatcher.run({ job: "j", attempt: "a", run: 0, records: 1, agreement: "d", order });
    expect(outcome).toMatchObject({
      ok: false,
      retryable: true,
      failure: { code: Code.ABORTED, reason: "WORKER_SILENT" },
    });
    expect(sent).toEqual(["run", "cancel"]);
    expect(worker.runs.size).toBe(0);
    expect(dispatcher.finish({ attempt: "a", run: 0 }, outcome)).toBe("unknown");
  });
});
