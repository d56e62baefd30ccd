import { randomBytes } from "node:crypto";
import { WIDTHS, bitBytes, packedBytes } from "@parley/plan";
import { createRing } from "@parley/ring";
import { describe, expect, it } from "vitest";

const CANARY = 0x5c;
const widths = WIDTHS.flatMap((width) => [1, 7, 8, 9, 128, 133].map((count) => ({ width, count })));

describe("the plan's message lengths are what the kernels write", () => {
  it.each(widths)("$count values of $width bits", ({ width, count }) => {
    const ring = createRing(1 << 16);
    const bits = width === 62 ? 64 : width;
    const padded = Math.ceil(count / 8) * 8;
    const [words, back] = [ring.alloc(8 * padded), ring.alloc(8 * padded)];
    ring.u8(words, 8 * padded).set(randomBytes(8 * padded));
    const bytes = packedBytes(width, count);
    const out = ring.alloc(bytes + 8);
    ring.u8(out, bytes + 8).fill(CANARY);
    ring.exports.packWords(out, words, count, bits);
    expect([...ring.u8(out + bytes, 8)]).toEqual(new Array(8).fill(CANARY));
    ring.exports.unpackWords(back, out, count, bits);
    expect([...ring.u64(back, count)]).toEqual([...ring.u64(words, count)].map((v) => BigInt.asUintN(bits, v)));

    ring.u8(out, bytes + 8).fill(CANARY);
    ring.exports.wordsToBits(words, out, count, width);
    expect([...ring.u8(out + bitBytes(width, count), 8)].every((byte) => byte === CANARY)).toBe(true);
  });

  it("refuses widths that have no packing", () => expect(() => packedBytes(13, 8)).toThrow(/13 bits/));
});
