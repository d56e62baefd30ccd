import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createRing } from "./ring.js";
import { referencePack, referenceSignExtend, referenceSumPool } from "./reference/words.js";

const MASK = (1n << 64n) - 1n;
const words = (count: number) => [...new BigUint64Array(new Uint8Array(randomBytes(count * 8)).buffer)];
const COUNTS = [1, 2, 3, 7, 8, 9, 64, 130];

describe("element-wise kernels", () => {
  it.each(COUNTS)("%i words: add, subtract, shift-add, mask, sign extension equal the definition", (count) => {
    const ring = createRing(1 << 16);
    const [a, b] = [words(count), words(count)];
    const at = { a: ring.alloc(count * 8), b: ring.alloc(count * 8), out: ring.alloc(count * 8) };
    const put = () => {
      ring.u64(at.a, count).set(a);
      ring.u64(at.b, count).set(b);
    };
    const out = () => [...ring.u64(at.out, count)];
    put();
    ring.exports.addWords(at.out, at.a, at.b, count);
    expect(out()).toEqual(a.map((v, i) => (v + b[i]) & MASK));
    ring.exports.subWords(at.out, at.a, at.b, count);
    expect(out()).toEqual(a.map((v, i) => (v - b[i]) & MASK));
    for (const [sa, sb] of [
      [0, 0],
      [16, 0],
      [3, 62],
    ]) {
      ring.exports.addShifted(at.out, at.a, sa, at.b, sb, count);
      expect(out()).toEqual(a.map((v, i) => ((v << BigInt(sa)) + (b[i] << BigInt(sb))) & MASK));
    }
    for (const bits of [1, 32, 40, 48, 56, 62, 63, 64]) {
      put();
      ring.exports.signExtendWords(at.a, bits, count);
      expect([...ring.u64(at.a, count)]).toEqual(a.map((v) => referenceSignExtend(v, bits)));
    }
  });

  it("does not write beyond the count", () => {
    const ring = createRing(4096);
    const a = ring.alloc(64);
    ring.u64(a, 8).fill(MASK);
    ring.exports.signExtendWords(a, 8, 3);
    ring.exports.addWords(a, a, a, 3);
    expect([...ring.u64(a, 8)].slice(3)).toEqual(new Array(5).fill(MASK));
  });

  it("adds biases per record and per channel", () => {
    const ring = createRing(1 << 16);
    const values = words(20);
    const z = words(6);
    const at = { z: ring.alloc(48), out: ring.alloc(160) };
    ring.u64(at.z, 6).set(z);
    ring.u64(at.out, 18).set(values.slice(0, 18));
    ring.exports.addPeriodic(at.out, at.z, 6, 18);
    expect([...ring.u64(at.out, 18)]).toEqual(values.slice(0, 18).map((v, i) => (v + z[i % 6]) & MASK));
    ring.u64(at.out, 18).set(values.slice(0, 18));
    ring.exports.addPerChannel(at.out, at.z, 3, 6);
    expect([...ring.u64(at.out, 18)]).toEqual(values.slice(0, 18).map((v, i) => (v + z[Math.floor(i / 6)]) & MASK));
  });

  it("sums over windows", () => {
    const w = {
      inHeight: 7,
      inWidth: 6,
      outHeight: 4,
      outWidth: 3,
      kernelHeight: 3,
      kernelWidth: 2,
      strideHeight: 2,
      strideWidth: 2,
      dilationHeight: 1,
      dilationWidth: 2,
      padTop: 1,
      padLeft: 1,
    };
    const values = words(2 * 42);
    const ring = createRing(1 << 14);
    const from = ring.alloc(values.length * 8);
    const to = ring.alloc(24 * 8);
    ring.u64(from, values.length).set(values);
    ring.exports.sumPool(to, from, 2, 7, 6, 4, 3, 3, 2, 2, 2, 1, 2, 1, 1);
    expect([...ring.u64(to, 24)]).toEqual(referenceSumPool(values, 2, w));
  });
});

describe("packing", () => {
  it.each([8, 16, 24, 32, 40, 48, 56, 64])("%i bits: the documented layout, and back", (bits) => {
    for (const count of COUNTS) {
      const padded = (count + 7) & ~7;
      const values = words(padded);
      const ring = createRing(1 << 15);
      const at = ring.alloc(padded * 8);
      const packed = ring.alloc(padded * 8);
      const back = ring.alloc(padded * 8);
      ring.u64(at, padded).set(values);
      ring.exports.packWords(packed, at, count, bits);
      expect(ring.u8(packed, (padded * bits) / 8)).toEqual(referencePack(values, bits));
      expect(ring.u8(packed + (padded * bits) / 8, 8)).toEqual(new Uint8Array(8));
      ring.exports.unpackWords(back, packed, count, bits);
      expect([...ring.u64(back, padded)]).toEqual(values.map((v) => BigInt.asUintN(bits, v)));
    }
  });
});

describe("Ring", () => {
  it("gives disjoint aligned zeroed memory and says when it is used up", () => {
    const ring = createRing(1000);
    const a = ring.alloc(10);
    const b = ring.alloc(10, 64);
    expect(a % 16).toBe(0);
    expect(b % 64).toBe(0);
    expect(b).toBeGreaterThanOrEqual(a + 26);
    expect(() => ring.alloc(1 << 20)).toThrow("has no room for 1048576 more");
    ring.u8(b, 10).fill(7);
    const mark = ring.mark();
    ring.release(b);
    expect(mark).toBeGreaterThan(b);
    expect(ring.u8(b, 10)).toEqual(new Uint8Array(10));
  });
});
