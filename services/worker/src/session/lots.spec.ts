import { schedule } from "@parley/plan";
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { encodeFrame, encodeRequest } from "../peer/frame-codec.js";
import { densePlan } from "../spec-support/network.js";
import { RawPeer } from "../spec-support/raw-peer.js";
import { Scene } from "../spec-support/scene.js";

describe("many runs on one stream", () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await Scene.start({ lot: 4 });
    await scene.keepPrepared(1);
  });
  afterAll(() => scene?.close());

  it("are all exact, each with a batch of its own, drawn together, over one stream", async () => {
    const opened = scene.a.of("openSession").length;
    const hellos = new Set<string>();
    for (let run = 0; run < 12; run++) {
      await scene.expectExact(1);
      hellos.add(scene.a.of("bindRun").at(-1)?.batchId.toString("hex") ?? "");
      await scene.keepPrepared(1);
    }
    expect(hellos.size).toBe(12);
    // One place among the prepared sessions per run, given back with it.
    expect(scene.a.of("openSession").length - opened).toBe(12);
    await vi.waitFor(() => expect(scene.a.of("closeSession").length).toBe(scene.a.of("openSession").length - 1));
    // 1, 2, 4, 4, ... batches: more are drawn together the longer a stream serves, and the next before the last are used.
    expect(scene.dealer.batches).toBeGreaterThanOrEqual(13);
    expect(scene.dealer.batches).toBeLessThanOrEqual(13 + 2 * 4);
    await vi.waitFor(() => expect(scene.a.batches.size).toBe(scene.dealer.batches));
    expect(scene.b.batches).toEqual(scene.a.batches);
  });

  describe("of a hostile data owner", () => {
    const ready = async () => {
      const own = await scene.b.organisation.certificate("worker");
      const raw = await new RawPeer(scene.endpoint, scene.a.organisation, own).hello(scene.working());
      return raw.until("hello");
    };
    const batches = (count: number) =>
      Array.from({ length: count }, () => scene.dealer.newBatch(scene.agreement.maskId, 1));
    const lot = (batchIds: Buffer[]) => encodeRequest({ $case: "lot", value: { batchIds, traceparent: "" } });
    const PEER_MESSAGE = "SESSION_PEER_MESSAGE";

    it.each([0, 129])("a lot of %i batches ends the stream", async (count) => {
      const raw = await ready();
      expect((await raw.send(lot(batches(count))).ended).reason).toBe(PEER_MESSAGE);
    });

    it("a batch that is not of the lot ends the stream", async () => {
      const raw = await ready();
      const [other] = batches(1);
      raw.send(lot(batches(2))).batch(other, scene.dealer.fingerprint(other));
      expect((await raw.ended).reason).toBe(PEER_MESSAGE);
    });

    it("more batches than a stream may hold end it", async () => {
      const raw = await ready();
      const many = lot(batches(64));
      expect(
        (
          await raw
            .send(many)
            .send(lot(batches(64)))
            .send(lot(batches(1))).ended
        ).reason,
      ).toBe(PEER_MESSAGE);
    });

    it("a batch of the lot that was used is refused", async () => {
      const raw = await ready();
      const [one] = batches(1);
      raw
        .send(lot([one]))
        .batch(one, scene.dealer.fingerprint(one))
        .offlineShares(scene.working());
      await raw.until("ready");
      const again = await ready();
      expect((await again.send(lot([one])).batch(one, scene.dealer.fingerprint(one)).ended).code).toBe(6); // ALREADY_EXISTS
      raw.kill();
    });
  });

  describe("dry exchanges", () => {
    const first = schedule(densePlan, 1).messages.find(({ phase }) => phase === "online");
    const hello = async () => {
      const own = await scene.b.organisation.certificate("worker");
      const raw = await new RawPeer(scene.endpoint, scene.a.organisation, own).hello(scene.working());
      return raw.until("hello");
    };
    const dry = encodeRequest({ $case: "dry", value: {} });

    it("are answered with zeros of the run's lengths, whatever is sent", async () => {
      const raw = await hello();
      if (!first) throw new Error("the plan has messages");
      raw.send(dry).send(encodeFrame(first.step, 0, randomBytes(first.bytes + first.trailer)));
      await raw.until("frame");
      expect(raw.frames.every((frame) => frame.subarray(8).every((byte) => byte === 0))).toBe(true);
      raw.kill();
    });

    it("one within another ends the stream", async () => {
      expect((await (await hello()).send(dry).send(dry).ended).reason).toBe("SESSION_PEER_MESSAGE");
    });
  });
});
