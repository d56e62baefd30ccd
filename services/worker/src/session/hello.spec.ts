import { Code, type peer } from "@parley/proto";
import type { CertificateHolder } from "@parley/service-kit";
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RawPeer } from "../spec-support/raw-peer.js";
import { Scene } from "../spec-support/scene.js";

describe("a Hello at the model owner's worker", () => {
  let scene: Scene;
  let own: CertificateHolder;
  beforeAll(async () => {
    scene = await Scene.start();
    own = await scene.b.organisation.certificate("worker");
  });
  afterAll(() => scene?.close());

  const open = () => new RawPeer(scene.endpoint, scene.a.organisation, own);

  it("is answered where nothing differs", async () => {
    const raw = await open().hello(scene.working());
    await raw.until("hello");
    raw.kill();
  });

  it("is answered with the mask where the peer does not know one", async () => {
    const none = { maskId: Buffer.alloc(0), maskNonce: Buffer.alloc(0), maskedWeightsDigest: Buffer.alloc(0) };
    const raw = await open().hello(scene.working(), none);
    await raw.until("hello");
    raw.kill();
  });

  const differing: [keyof peer.Hello, Partial<peer.Hello>][] = [
    ["version", { version: 2 }],
    ["party", { party: 0 }],
    ["party", { nonce: Buffer.alloc(15) }],
    ["certificate0", { certificate0: randomBytes(32) }],
    ["certificate1", { certificate1: randomBytes(32) }],
    ["maskId", { maskId: randomBytes(32) }],
    ["maskNonce", { maskNonce: randomBytes(16) }],
    ["maskedWeightsDigest", { maskedWeightsDigest: randomBytes(32) }],
    ["planDigest", { planDigest: randomBytes(32) }],
    ["scheduleDigest", { scheduleDigest: randomBytes(32) }],
    ["scheduleDigest", { records: 2 }],
    ["records", { records: 3 }],
    ["records", { records: 0 }],
    ["records", { records: 256 }],
  ];
  it.each(differing)("that differs in %s is refused with its name, before a share is sent", async (field, changes) => {
    const batches = scene.a.batches.size;
    const raw = await open().hello(scene.working(), changes);
    const error = await raw.ended;
    expect([Code[error.code], error.reason, error.details.field]).toEqual([
      "FAILED_PRECONDITION",
      "HELLO_DIFFERS",
      field,
    ]);
    expect(raw.received).toEqual([]);
    expect(scene.a.batches.size).toBe(batches);
  });

  it("under an agreement that is not active is refused", async () => {
    const raw = await open().hello(scene.working(), { agreementDigest: randomBytes(32) });
    expect((await raw.ended).reason).toBe("NO_AGREEMENT");
    expect(raw.received).toEqual([]);
  });
});
