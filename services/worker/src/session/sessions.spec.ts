import { Code, ParleyError } from "@parley/proto";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { evaluate, randomWeights, vaultBytes } from "../spec-support/network.js";
import { Scene, integers } from "../spec-support/scene.js";

describe("two workers over mutual TLS", () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await Scene.start();
  });
  afterAll(() => scene?.close());

  it.each([1, 8, 128])("give the exact answer for %i records", async (records) => {
    await scene.expectExact(records);
  });

  it("record each batch at both access points, a new one for each run, and report the run with its bytes", async () => {
    const before = scene.a.batches.size;
    const { order, result } = await scene.predict(8);
    expect(result).toMatchObject({ code: 0, revealed: true });
    expect(scene.a.batches.size).toBe(before + 1);
    expect(scene.b.batches).toEqual(scene.a.batches);
    const bound = scene.a.of("bindRun").at(-1);
    expect(bound).toMatchObject({ ticket: order.ticket, attemptId: order.attemptId, jobId: order.jobId, records: 8 });
    await vi.waitFor(() => expect(scene.a.of("runEnded").at(-1)?.attemptId).toBe(order.attemptId));
    const ended = scene.a.of("runEnded").at(-1);
    expect(ended).toMatchObject({ revealed: true, batchId: bound?.batchId });
    expect(ended?.bytesSent).toBe(result.timings?.bytesP0ToP1);
    expect(scene.a.of("openSession").length).toBe(scene.a.of("bindRun").length);
    await vi.waitFor(() => expect(scene.a.of("closeSession").length).toBe(scene.a.of("openSession").length));
  });

  it("use a prepared session where there is one, and prepare the next", async () => {
    await scene.keepPrepared(2);
    const drawn = scene.dealer.batches;
    await scene.expectExact(1);
    await vi.waitFor(() => expect(scene.dealer.batches).toBe(drawn + 1));
    await scene.keepPrepared(2);
    await scene.keepPrepared(0);
  });

  it("keep no session whose preparation began when more were wanted", async () => {
    let prepare = () => {};
    const begun = new Promise<void>((resolve) => {
      scene.dealer.beforePart = () => (resolve(), new Promise((go) => (prepare = go)));
    });
    const entry = { agreementDigest: scene.agreement.digest, records: 1, sessions: 1 };
    scene.b.push({ $case: "target", value: { entries: [entry] } });
    await begun;
    const reports = scene.b.of("stock").length;
    scene.b.push({ $case: "target", value: { entries: [] } });
    await new Promise((resolve) => setTimeout(resolve, 50));
    scene.dealer.beforePart = async () => {};
    prepare();
    await vi.waitFor(() => expect(scene.b.of("stock").length).toBeGreaterThan(reports), { timeout: 10_000 });
    expect(
      scene.b
        .of("stock")
        .at(-1)
        ?.entries.filter(({ sessions }) => sessions > 0),
    ).toEqual([]);
  });

  it("run several at once", async () => {
    await Promise.all([1, 8, 1, 8].map((records) => scene.expectExact(records)));
  });

  it("refuse a run whose input has another size", async () => {
    const order = scene.order(new BigInt64Array(5), 1);
    expect(await scene.b.run(order, "worker-b")).toMatchObject({ reason: "INPUT_SIZE", retryable: false });
  });

  it("fail with a retryable error where the ticket is refused for now, and for good where it is refused for good", async () => {
    for (const [code, retryable] of [
      [Code.UNAVAILABLE, true],
      [Code.RESOURCE_EXHAUSTED, false],
    ] as const) {
      scene.a.onAsk = ({ $case }) => {
        if ($case === "bindRun") throw new ParleyError(code, "NOT_BOUND", "refused by the test");
      };
      const { result } = await scene.predict(1);
      expect(result).toMatchObject({ code, reason: "NOT_BOUND", retryable, revealed: false });
      expect(result.output).toHaveLength(0);
    }
    scene.a.onAsk = () => {};
    await scene.expectExact(1);
  });

  it("hand over a result that was finished while the access point was away", async () => {
    let away = true;
    scene.b.onAsk = (body) => {
      if (body.$case !== "runResult" || !away) return;
      away = false;
      scene.b.breakStreams();
      return new Promise(() => {}); // the answer is lost with the stream
    };
    await scene.expectExact(1);
    expect(scene.b.of("hello").at(-1)?.finished).toHaveLength(1);
    scene.b.onAsk = () => {};
    await vi.waitFor(() => scene.expectExact(1));
  });

  it("give another answer with other weights: the weights of the vault are what is computed with", async () => {
    const other = await Scene.start();
    try {
      const wrong = randomWeights();
      other.a.weights = vaultBytes(wrong); // D is of the agreed ones
      const { input, result } = await other.predict(8);
      expect(result.code).toBe(0);
      expect(integers(result.output)).not.toEqual(evaluate(other.weights, input));
    } finally {
      await other.close();
    }
  });
});
