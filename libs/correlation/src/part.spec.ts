import { createCipheriv, createSecretKey, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";

import { stepKey } from "./key-derivation.js";
import { Keystream } from "./keystream.js";
import { ExpandedPart } from "./part.js";

const draw = (fill: (target: Uint8Array) => void, bytes: number): Uint8Array => {
  const target = new Uint8Array(bytes);
  fill(target);
  return target;
};

describe("a key stream", () => {
  const raw = randomBytes(32);
  const key = createSecretKey(raw);
  const whole = createCipheriv("aes-256-ctr", raw, Buffer.alloc(16)).update(Buffer.alloc(300_000));

  it("is AES-256-CTR from counter 0, whatever the pieces", () => {
    const stream = new Keystream(key);
    const pieces = [1, 15, 16, 70_000, 131_072, 5].map((bytes) => draw((t) => stream.fill(t), bytes));
    const read = Buffer.concat(pieces);
    expect(read.equals(whole.subarray(0, read.length))).toBe(true);
  });

  it.each([16, 4096, 65_536, 200_000])("starts at byte %i", (offset) => {
    const read = draw((t) => new Keystream(key, offset).fill(t), 1000);
    expect(Buffer.from(read).equals(whole.subarray(offset, offset + 1000))).toBe(true);
  });

  it.each([8, -16, 0.5])("refuses to start at byte %d", (offset) =>
    expect(() => new Keystream(key, offset)).toThrow(RangeError),
  );
});

describe("a party's part", () => {
  it("continues each step's stream where it stopped", () => {
    const key = new Uint8Array(randomBytes(32));
    const part = new ExpandedPart({ key: key.slice() });
    const first = draw((t) => part.own(3, t), 100);
    const other = draw((t) => part.own(4, t), 100);
    const second = draw((t) => part.own(3, t), 100);
    const whole = draw((t) => new Keystream(stepKey(key, 3)).fill(t), 200);
    expect(Buffer.concat([first, second]).equals(whole)).toBe(true);
    expect(other).not.toEqual(first);
  });

  it("reads corrections across pieces, erases what it read, and says when there are too few", async () => {
    const pieces = [new Uint8Array([1, 2, 3]), new Uint8Array(0), new Uint8Array([4, 5, 6, 7])];
    const part = new ExpandedPart({ key: new Uint8Array(32), corrections: pieces });
    const read = new Uint8Array(5);
    await part.corrections(read);
    expect([...read]).toEqual([1, 2, 3, 4, 5]);
    expect(pieces.map((piece) => [...piece])).toEqual([[0, 0, 0], [], [0, 0, 6, 7]]);
    await expect(part.corrections(new Uint8Array(3))).rejects.toThrow(/too few/);
  });

  it("erases its key and serves nothing after close", async () => {
    const key = new Uint8Array(randomBytes(32));
    const part = new ExpandedPart({ key, corrections: [new Uint8Array(9)] });
    part.close();
    part.close();
    expect(key.every((byte) => byte === 0)).toBe(true);
    expect(() => part.own(0, new Uint8Array(1))).toThrow(/new batch/);
    await expect(part.corrections(new Uint8Array(1))).rejects.toThrow(/new batch/);
  });
});
