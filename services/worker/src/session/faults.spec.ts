import { Code } from "@parley/proto";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { vaultBytes } from "../spec-support/network.js";
import { Scene } from "../spec-support/scene.js";
import { RawPeer } from "../spec-support/raw-peer.js";

/** Long against anything that happens at once, so that noticing at once differs from waiting for the time limit. */
const PATIENT_MS = 60_000;
const NEVER = new Promise<never>(() => {});

describe("when something goes wrong in a session", () => {
  let scene: Scene;
  afterEach(() => scene?.close());

  /** Lets the worker bind a run and stops the network before the answer of the access point arrives. */
  const silenceAtBind = (then: () => void = () => {}) => {
    scene.a.onAsk = ({ $case }) => {
      if ($case !== "bindRun") return;
      scene.relay.silence();
      setTimeout(then, 100);
    };
  };
  const ended = async () => {
    await vi.waitFor(() => expect(scene.a.of("runEnded")).toHaveLength(1), { timeout: 10_000 });
    return scene.a.of("runEnded")[0];
  };

  describe("workers that wait long", () => {
    beforeEach(async () => {
      scene = await Scene.start({ timeoutMs: PATIENT_MS });
    });

    it("reveal nothing of a run whose agreement is revoked between bind and the last message", async () => {
      silenceAtBind(() => scene.a.setAgreements(scene.a.agreements.slice(1)));
      const { order, result } = await Promise.race([
        scene.predict(1),
        ended().then(() => (scene.relay.resume(), NEVER)),
      ]);
      expect(await ended()).toMatchObject({ attemptId: order.attemptId, revealed: false, bytesSent: 0n });
      expect(result).toMatchObject({
        code: Code.FAILED_PRECONDITION,
        reason: "AGREEMENT_ENDED",
        revealed: false,
        retryable: false,
      });
      expect(result.output).toHaveLength(0);
    });

    it("end prepared sessions with their agreement, and open none after", async () => {
      await scene.keepPrepared(2);
      scene.a.setAgreements(scene.a.agreements.slice(1));
      await vi.waitFor(() => expect(scene.a.of("closeSession")).toHaveLength(2));
      const own = await scene.b.organisation.certificate("worker");
      const raw = await new RawPeer(scene.endpoint, scene.a.organisation, own).hello(scene.working()).catch(() => {});
      if (raw) expect(await raw.ended).toMatchObject({ reason: expect.stringMatching(/NO_AGREEMENT|CERTIFICATE/) });
      const { result } = await scene.predict(1);
      expect(result).toMatchObject({ revealed: false });
      expect(result.code).not.toBe(Code.OK);
    });

    it("each notice at once that the other's process is gone", async () => {
      scene.a.onAsk = ({ $case }) => {
        if ($case === "bindRun") scene.relay.cut();
      };
      const { result } = await scene.predict(1);
      expect(result).toMatchObject({ retryable: true, revealed: false });
      await vi.waitFor(() => expect(scene.a.of("closeSession")).toHaveLength(1), { timeout: 10_000 });
      scene.a.onAsk = () => {};
      await scene.expectExact(1); // with a new batch, over a new connection
      expect(scene.a.batches.size).toBe(2);
    });

    it("replace prepared sessions that died with the connection", async () => {
      await scene.keepPrepared(1);
      const before = scene.dealer.batches;
      scene.relay.cut();
      await vi.waitFor(() => expect(scene.dealer.batches).toBeGreaterThan(before), { timeout: 10_000 });
      await scene.expectExact(1);
    });

    it("reveal nothing of a run whose mask is another one by then", async () => {
      const [agreement, other] = scene.a.agreements;
      const changed = { ...agreement, maskId: randomBytes(32) };
      silenceAtBind(() => scene.a.setAgreements([changed, other]));
      const { result } = await Promise.race([scene.predict(1), ended().then(() => (scene.relay.resume(), NEVER))]);
      expect(await ended()).toMatchObject({ revealed: false });
      expect(result.revealed).toBe(false);
      expect(result.output).toHaveLength(0);
    });

    it("let a bound run finish when they are stopped, and take no new session meanwhile", async () => {
      let stopped: Promise<void> | undefined;
      silenceAtBind(() => (stopped = scene.workers.get("worker-a")?.close()));
      const own = await scene.b.organisation.certificate("worker");
      const finish = async () => {
        await vi.waitFor(() => expect(stopped).toBeDefined());
        const late = new RawPeer(scene.relay.target, scene.a.organisation, own);
        await late.hello(scene.working());
        expect(await late.ended).toMatchObject({ code: Code.UNAVAILABLE, reason: "DRAINING" });
        scene.relay.resume();
      };
      await Promise.all([scene.expectExact(1), finish()]);
      await stopped;
      expect(scene.a.of("runEnded")).toMatchObject([{ revealed: true }]);
    });

    it("cancel a run on request, and say so", async () => {
      silenceAtBind(() => scene.b.push({ $case: "cancel", value: { attemptId: attempt } }));
      const order = scene.order(new BigInt64Array(6), 1);
      const attempt = order.attemptId;
      expect(await scene.b.run(order, "worker-b")).toMatchObject({ code: Code.CANCELLED, revealed: false });
    });
  });

  describe("workers that wait half a second", () => {
    beforeEach(async () => {
      scene = await Scene.start({ timeoutMs: 500 });
    });

    it("give up a peer that falls silent in a run", async () => {
      silenceAtBind();
      const { result } = await scene.predict(1);
      expect(result).toMatchObject({ code: Code.DEADLINE_EXCEEDED, reason: "PEER_SILENT", retryable: true });
      scene.relay.resume();
      expect(await ended()).toMatchObject({ revealed: false });
    });

    it("give up a peer that falls silent while it prepares", async () => {
      const own = await scene.b.organisation.certificate("worker");
      const raw = await new RawPeer(scene.endpoint, scene.a.organisation, own).hello(scene.working());
      await raw.until("hello");
      expect(await raw.ended).toMatchObject({ code: Code.DEADLINE_EXCEEDED, reason: "PEER_SILENT" });
      const second = await new RawPeer(scene.endpoint, scene.a.organisation, own).hello(scene.working());
      await second.until("hello");
      const batchId = scene.dealer.newBatch(scene.agreement.maskId, 1);
      second.batch(batchId, scene.dealer.fingerprint(batchId)); // and never an offline share
      expect((await second.ended).code).not.toBe(Code.OK);
      await vi.waitFor(() => expect(scene.a.of("closeSession")).toHaveLength(2));
      await scene.expectExact(1);
    });

    it("give up a model owner's worker that does not send D, and go on when it does", async () => {
      let stalls = true;
      scene.a.beforeMasked = () => (stalls ? NEVER : Promise.resolve());
      const { result } = await scene.predict(1);
      expect(result).toMatchObject({ retryable: true, revealed: false });
      stalls = false;
      await scene.workers.get("worker-a")?.close(); // which waits for its own access point; another pod takes over
      scene.relay.target = (await scene.startWorker(scene.a, "worker-a2")).addresses.mtls;
      await scene.expectExact(1);
    });

    it("close the dealer's call where a part is refused or a session ends before it was read", async () => {
      scene.dealer.stallAfterHead = true;
      scene.dealer.wrongRecords = true;
      expect((await scene.predict(1)).result).toMatchObject({ reason: "PART_INVALID", retryable: true });
      await vi.waitFor(() => expect(scene.dealer.openCalls).toBe(0));
      scene.dealer.wrongRecords = false;
      const { result } = await scene.predict(1);
      expect(result).toMatchObject({ retryable: true, revealed: false });
      await vi.waitFor(() => expect(scene.dealer.openCalls).toBe(0));
    });

    it("give up a dealer that stalls, and go on when it is back", async () => {
      scene.dealer.beforePart = () => NEVER;
      const entry = { agreementDigest: scene.agreement.digest, records: 1, sessions: 1 };
      scene.b.push({ $case: "target", value: { entries: [entry] } });
      const { result } = await scene.predict(1);
      expect(result).toMatchObject({ retryable: true, revealed: false });
      scene.dealer.beforePart = async () => {};
      await scene.keepPrepared(1);
      await scene.expectExact(1);
    });
  });

  it("reveal nothing of a run whose agreement expires between bind and the last message", async () => {
    scene = await Scene.start({ timeoutMs: PATIENT_MS, lifeMs: 4_000 });
    const expires = scene.agreement.server.expires?.getTime() ?? 0;
    silenceAtBind(() => setTimeout(() => scene.relay.resume(), expires - Date.now() + 50));
    const { result } = await scene.predict(1);
    expect(Date.now()).toBeGreaterThan(expires);
    expect(result).toMatchObject({ reason: "AGREEMENT_ENDED", revealed: false, retryable: false });
    expect(result.output).toHaveLength(0);
    expect(await ended()).toMatchObject({ revealed: false });
  });

  it("write logs that hold no input, result, weight, key or ticket, of runs that went well or failed", async () => {
    scene = await Scene.start({ timeoutMs: 500 });
    const runs = [await scene.predict(1), await scene.predict(8)];
    silenceAtBind();
    runs.push(await scene.predict(1));
    scene.relay.resume();
    scene.a.onAsk = () => {};
    const text = scene.logs.join("");
    expect(text).toContain("a run failed");
    const secrets = [vaultBytes(scene.weights).subarray(100, 160), ...scene.dealer.secrets, scene.commitment];
    for (const { order, result } of runs) {
      expect(text).not.toContain(order.ticket);
      secrets.push(order.input, result.output);
    }
    expect(scene.dealer.secrets.length).toBeGreaterThanOrEqual(6);
    for (const secret of secrets.filter(({ length }) => length > 0)) {
      for (const encoding of ["hex", "base64", "base64url"] as const)
        expect(text).not.toContain(secret.toString(encoding).slice(0, 24));
      expect(text).not.toContain([...secret.subarray(0, 12)].join(","));
    }
    expect(text).not.toContain('"type":"Buffer"');
  });
});
