import { createKeyAndCsr, issueCertificate } from "@parley/agreement";
import { schedule } from "@parley/plan";
import { Code } from "@parley/proto";
import { CertificateHolder } from "@parley/service-kit";
import { testOrganisation, type TestOrganisation } from "@parley/service-kit/testing";
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { densePlan } from "../spec-support/network.js";
import { RawPeer } from "../spec-support/raw-peer.js";
import { Scene } from "../spec-support/scene.js";
import { encodeFrame, encodeRequest } from "./frame-codec.js";

const steps = schedule(densePlan, 1)
  .messages.filter(({ from }) => from === 1)
  .map(({ step, bytes, trailer }) => ({ step, bytes: bytes + trailer }));
const [first, second] = steps;
const frame = (step: number, offset: number, bytes: number) => encodeFrame(step, offset, randomBytes(bytes));

describe("a hostile data owner's worker", () => {
  let scene: Scene;
  let own: CertificateHolder;
  beforeAll(async () => {
    scene = await Scene.start();
    own = await scene.b.organisation.certificate("worker");
  });
  afterAll(() => scene?.close());

  const open = (certificate = own) => new RawPeer(scene.endpoint, scene.a.organisation, certificate);
  const ending = async (raw: RawPeer) => {
    const { code, reason } = await raw.ended;
    return `${Code[code]} ${reason}`;
  };
  /** A session up to its batch. */
  const withBatch = async (batchId = scene.dealer.newBatch(scene.agreement.maskId, 1)) => {
    const raw = await open().hello(scene.working());
    await raw.until("hello");
    return raw.batch(batchId, scene.dealer.fingerprint(batchId));
  };
  const prepared = async () => (await withBatch()).offlineShares(scene.working()).until("ready");

  describe("that sends broken messages", () => {
    const afterBatch: [string, () => Buffer[]][] = [
      ["malformed protobuf", () => [Buffer.from([0x0a, 0xff, 0xff])]],
      ["a control message cut short", () => [encodeRequest({ $case: "bind", value: bindWith("t") }).subarray(0, -3)]],
      ["an unknown wire type", () => [Buffer.from([0x0f, 1, 2, 3])]],
      ["an empty message", () => [Buffer.alloc(0)]],
      ["a frame shorter than its head", () => [Buffer.from([0x0a, 4, 0, 0, 0, 0])]],
      ["a step that does not exist", () => [frame(9999, 0, 8)]],
      ["a step of the other party", () => [frame(first.step + 1000, 0, first.bytes)]],
      ["a later step first", () => [frame(second.step, 0, second.bytes)]],
      ["a byte too many", () => [frame(first.step, 0, first.bytes + 1)]],
      ["a piece at a wrong offset", () => [frame(first.step, 8, first.bytes - 8)]],
      ["a piece twice", () => [frame(first.step, 0, 8), frame(first.step, 0, 8)]],
      ["an empty piece", () => [frame(first.step, 0, 0)]],
      ["a step again", () => [frame(first.step, 0, first.bytes), frame(first.step, 0, first.bytes)]],
      [
        "a second batch",
        () => [
          encodeRequest({
            $case: "batch",
            value: { batchId: randomBytes(16), fingerprint: randomBytes(16), traceparent: "" },
          }),
        ],
      ],
    ];
    const bindWith = (ticket: string) => ({
      ticket,
      jobId: "",
      attemptId: "",
      run: 0,
      helloDigest: randomBytes(32),
      traceparent: "",
      wantsSteps: false,
    });

    it.each(afterBatch)(
      "%s: its session ends with a clear status, another on the same worker goes on",
      async (name, messages) => {
        await scene.keepPrepared(1);
        const before = new Set(scene.b.batches);
        const raw = await withBatch();
        for (const message of messages()) raw.send(message);
        if (name === "a second batch") raw.offlineShares(scene.working());
        expect(await ending(raw)).toBe("INVALID_ARGUMENT SESSION_PEER_MESSAGE");
        expect(raw.received.filter((kind) => kind !== "hello" && kind !== "ready")).toEqual([]);
        await scene.expectExact(1);
        const bound = scene.a.of("bindRun").at(-1)?.batchId.toString("hex") ?? "";
        expect(before.has(bound), "the session that was prepared before the attack").toBe(true);
      },
    );

    it("a share before the Hello", async () => {
      const raw = open();
      await raw.ready();
      expect(await ending(raw.send(frame(first.step, 0, first.bytes)))).toBe("INVALID_ARGUMENT SESSION_PEER_MESSAGE");
    });

    it("a batch before the Hello", async () => {
      const raw = open();
      await raw.ready();
      expect(await ending(raw.batch(randomBytes(16), randomBytes(16)))).toBe("INVALID_ARGUMENT SESSION_PEER_MESSAGE");
    });

    it("a message above the limit", async () => {
      const raw = await withBatch();
      raw.send(encodeFrame(first.step, 0, Buffer.alloc((1 << 20) + 1024)));
      expect(await ending(raw)).toMatch(/^RESOURCE_EXHAUSTED /);
      await scene.expectExact(1);
    });

    it("half a step and then nothing more", async () => {
      const raw = await withBatch();
      raw.send(frame(first.step, 0, 8)).end();
      expect(await ending(raw)).toBe("CANCELLED PEER_GONE");
      await scene.expectExact(1);
    });

    it("a bind for another session", async () => {
      const raw = await prepared();
      const bound = scene.a.of("bindRun").length;
      raw.send(encodeRequest({ $case: "bind", value: bindWith("ticket") }));
      expect(await ending(raw)).toBe("FAILED_PRECONDITION HELLO_DIFFERS");
      expect(scene.a.of("bindRun")).toHaveLength(bound);
    });
  });

  describe("that uses a batch twice", () => {
    it("is refused by the model owner's access point, before the part is asked for", async () => {
      const batchId = scene.dealer.newBatch(scene.agreement.maskId, 1);
      const raw = await withBatch(batchId);
      await raw.offlineShares(scene.working()).until("ready");
      const again = await withBatch(batchId);
      expect(await ending(again)).toMatch(/^ALREADY_EXISTS /);
      expect(again.received).toEqual(["hello"]);
      raw.kill();
      expect(await ending(await withBatch(batchId))).toMatch(/^ALREADY_EXISTS /); // dead with its stream, too
    });

    it("is refused where the batch is of another fingerprint", async () => {
      const batchId = scene.dealer.newBatch(scene.agreement.maskId, 1);
      const raw = await open().hello(scene.working());
      await raw.until("hello");
      expect(await ending(raw.batch(batchId, randomBytes(16)))).toBe("ABORTED BATCH_DIFFERS");
    });

    it("as a second worker of the data owner: its own access point refuses, nothing is sent, the run may be retried", async () => {
      await scene.keepPrepared(0);
      await scene.startWorker(scene.b, "worker-b2");
      await scene.expectExact(1, "worker-b2");
      const used = scene.b.of("recordBatch").at(-1)?.batchId ?? Buffer.alloc(0);
      const recorded = scene.a.of("recordBatch").length;
      scene.dealer.repeat = used;
      const { result } = await scene.predict(1, "worker-b2");
      expect(result).toMatchObject({ code: Code.ALREADY_EXISTS, retryable: true, revealed: false });
      expect(scene.a.of("recordBatch")).toHaveLength(recorded);
      await scene.expectExact(1, "worker-b2");
    });
  });

  describe("with a wrong certificate", () => {
    /** What an authority can sign that breaks its rules. */
    const forged = async (issuer: TestOrganisation, org: string) => {
      const { privateKeyPem, csrDer } = await createKeyAndCsr();
      const names = { org, role: "worker", dnsNames: ["localhost"], validHours: 1 };
      const { pem } = await issueCertificate({ ...issuer.authority, org }, { ...names, csrDer });
      return new CertificateHolder({
        certificatePem: `${pem.trim()}\n${issuer.authority.certificatePem}`,
        privateKeyPem,
      });
    };
    const refusal = async (certificate: CertificateHolder) => {
      const raw = open(certificate);
      await raw.hello(scene.working()).catch(() => {});
      expect(raw.received).toEqual([]);
      return ending(raw);
    };

    it("of an authority that nobody knows", async () => {
      const stranger = await testOrganisation("clinic-b");
      expect(await refusal(await stranger.certificate("worker"))).toMatch(/^UNAVAILABLE /);
    });

    it("that another partner's authority issued in the data owner's name", async () => {
      expect(await refusal(await forged(scene.c, "clinic-b"))).toBe("UNAUTHENTICATED CERTIFICATE_REFUSED");
    });

    it("of another partner, under an agreement that is not its own", async () => {
      expect(await refusal(await scene.c.certificate("worker"))).toBe("PERMISSION_DENIED PEER_REFUSED");
    });

    it("of the data owner's access point", async () => {
      expect(await refusal(await scene.b.organisation.certificate("access-point"))).toBe(
        "PERMISSION_DENIED PEER_REFUSED",
      );
    });
  });

  it("cannot take the places of other partners", async () => {
    const many = Array.from({ length: 256 }, () => open());
    await Promise.all(many.map((raw) => raw.ready()));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await ending(await open().hello(scene.working()))).toBe("RESOURCE_EXHAUSTED TOO_MANY_SESSIONS");
    const other = await open(await scene.c.certificate("worker")).hello(scene.working());
    expect(await ending(other)).toBe("PERMISSION_DENIED PEER_REFUSED"); // it got as far as its Hello
    for (const raw of many) raw.kill();
    await vi.waitFor(() => scene.expectExact(1), { timeout: 10_000, interval: 500 });
  });

  it("leaves no session behind", async () => {
    await scene.keepPrepared(0);
    await vi.waitFor(() => expect(scene.a.of("closeSession").length).toBe(scene.a.of("openSession").length));
  });
});
