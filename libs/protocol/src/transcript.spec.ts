import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";

import { Transcript } from "./transcript.js";

const of = (...steps: [0 | 1, number, number[]][]): Uint8Array => {
  const transcript = new Transcript();
  for (const [from, step, bytes] of steps) transcript.note(from, step, Uint8Array.from(bytes));
  return transcript.digest();
};

describe("a transcript", () => {
  it("is SHA-256 over sender, step, length and bytes", () => {
    const bytes = [1, 5, 0, 0, 0, 2, 0, 0, 0, 9, 8, 0, 6, 0, 0, 0, 0, 0, 0, 0];
    const want = createHash("sha256").update(Uint8Array.from(bytes)).digest();
    expect(of([1, 5, [9, 8]], [0, 6, []])).toEqual(new Uint8Array(want));
  });

  it("tells apart sender, step, order and where a step ends", () => {
    const all = [
      of([0, 1, [1, 2]]),
      of([1, 1, [1, 2]]),
      of([0, 2, [1, 2]]),
      of([0, 1, [1]], [0, 1, [2]]),
      of([0, 1, [2]], [0, 1, [1]]),
      of([0, 1, [2, 1]]),
    ].map((digest) => Buffer.from(digest).toString("hex"));
    expect(new Set(all).size).toBe(all.length);
  });

  it("goes on after a digest was taken", () => {
    const transcript = new Transcript();
    transcript.note(0, 1, Uint8Array.of(1));
    transcript.digest();
    transcript.note(1, 2, Uint8Array.of(2));
    expect(transcript.digest()).toEqual(of([0, 1, [1]], [1, 2, [2]]));
  });
});
