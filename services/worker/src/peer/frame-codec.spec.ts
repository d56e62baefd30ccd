import { peer } from "@parley/proto";
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { decodeFrame, decodeRequest, decodeResponse, encodeFrame, encodeRequest } from "./frame-codec.js";

describe("frames", () => {
  it.each([0, 1, 100, 119, 120, 16_375, 16_376, 1 << 20])("of %i bytes are valid protobuf, both ways", (length) => {
    const payload = randomBytes(length);
    const message = encodeFrame(7, 1 << 20, payload);
    const { body } = peer.SessionRequest.decode(message);
    if (body?.$case !== "frame") throw new Error("not a frame");
    expect(decodeFrame(body.value)).toEqual({ step: 7, offset: 1 << 20, payload });
    const generated = Buffer.from(peer.SessionResponse.encode({ body }).finish());
    expect(message.equals(generated)).toBe(true);
    const decoded = decodeResponse(message);
    expect("frame" in decoded && decodeFrame(decoded.frame)).toEqual({ step: 7, offset: 1 << 20, payload });
  });

  it("decodes control messages, and refuses what is neither", () => {
    const control = {
      $case: "batch" as const,
      value: { batchId: Buffer.alloc(16, 1), fingerprint: Buffer.alloc(16, 2), traceparent: "" },
    };
    expect(decodeRequest(encodeRequest(control))).toEqual({ control });
    expect(() => decodeRequest(Buffer.alloc(0))).toThrow("empty");
    for (const bytes of [
      [0x0a, 0xff, 0xff],
      [0x0a, 0x05, 1],
      [0x0f],
      [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ])
      expect(() => decodeRequest(Buffer.from(bytes))).toThrow(RangeError);
    expect(() => decodeFrame(Buffer.alloc(7))).toThrow("shorter than its head");
  });
});
