import { describe, expect, it } from "vitest";

import { RingPool } from "./ring-pool.js";

describe("the pool of memories", () => {
  it("hands out a given memory again, zeroed, to one taker at a time", () => {
    const pool = new RingPool(1 << 20);
    const ring = pool.take(100_000);
    const at = ring.alloc(50_000);
    ring.u8(at, 50_000).fill(7);
    pool.give(ring, 100_000);
    const again = pool.take(100_001); // the same number of pages
    expect(again).toBe(ring);
    expect(again.alloc(50_000)).toBe(at);
    expect(again.u8(at, 50_000).every((byte) => byte === 0)).toBe(true);
    expect(pool.take(100_000)).not.toBe(ring);
    expect(pool.take(1_000_000)).not.toBe(ring);
  });

  it("keeps no more than its limit", () => {
    const pool = new RingPool(200_000);
    const [first, second] = [pool.take(100_000), pool.take(100_000)];
    pool.give(first, 100_000);
    pool.give(second, 100_000);
    expect(pool.take(100_000)).toBe(first);
    expect(pool.take(100_000)).not.toBe(second);
  });
});
