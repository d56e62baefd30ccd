import { randomBytes, randomInt } from "node:crypto";
import { describe, expect, it } from "vitest";

import { couplesOf } from "./couples.js";
import { createRing } from "./ring.js";

const words = (count: number): bigint[] => [...new BigUint64Array(new Uint8Array(randomBytes(8 * count)).buffer)];
const indices = (count: number, below: number): number[] => Array.from({ length: count }, () => randomInt(below));
const wrap = (value: bigint, bits = 64): bigint => BigInt.asUintN(bits, value);

/** A ring with given arrays in it. */
function memory() {
  const ring = createRing(1 << 18);
  return {
    ring,
    put(values: bigint[]): number {
      const at = ring.alloc(8 * values.length);
      ring.u64(at, values.length).set(values);
      return at;
    },
    list(values: number[]): number {
      const at = ring.alloc(4 * values.length);
      ring.u32(at, values.length).set(values);
      return at;
    },
    get: (at: number, count: number): bigint[] => [...ring.u64(at, count)],
  };
}

const COUNTS = [1, 2, 3, 7, 8, 9, 33];

describe("shares on their way", () => {
  const cases = COUNTS.flatMap((count) => [8, 16, 24, 32, 40, 48, 56, 64].map((bits) => ({ count, bits })));

  it.each(cases)("$count sums of $bits bits, packed: as added and packed one after the other", ({ count, bits }) => {
    const { ring, put, get } = memory();
    const groups = Math.ceil(count / 8);
    const [a, b] = [words(8 * groups), words(count)];
    const [x, y, want, packed] = [put(a), put(b), put(words(8 * groups)), put(words(8 * groups + 1))];
    const behind = [...ring.u8(packed + groups * bits, 8)];
    ring.exports.addPackWords(packed, x, y, count, bits);
    const sums = a.map((value, i) => (i < count ? wrap(value + b[i]) : value));
    expect(get(x, a.length)).toEqual(sums);
    ring.exports.packWords(want, x, count, bits);
    expect([...ring.u8(packed, groups * bits)]).toEqual([...ring.u8(want, groups * bits)]);
    expect([...ring.u8(packed + groups * bits, 8)]).toEqual(behind);
  });

  it.each(cases)(
    "$count shares of $bits bits, opened: as unpacked and added, nothing else written",
    ({ count, bits }) => {
      const { ring, put, get } = memory();
      const groups = Math.ceil(count / 8);
      const [a, b] = [words(8 * groups + 1), words(8 * groups)];
      const [x, packed] = [put(a), put(b)];
      ring.exports.packWords(packed, put(b), count, bits);
      for (const width of [bits, Math.max(1, bits - 2)]) {
        ring.u64(x, a.length).set(a);
        ring.exports.openWords(x, packed, count, bits, width);
        const sums = a.map((value, i) => (i < count ? wrap(value + wrap(b[i], bits), width) : value));
        expect(get(x, a.length)).toEqual(sums);
      }
    },
  );
});

describe("touch", () => {
  it("reads a range of any size up to the end of the memory and changes nothing", () => {
    const { ring } = memory();
    const before = Buffer.from(ring.buffer.slice(0));
    for (const bytes of [0, 1, 63, 64, 65, 255, 256, 1000])
      for (const at of [0, 7, 64]) ring.exports.touch(ring.buffer.byteLength - bytes - at, bytes);
    expect(before.equals(Buffer.from(ring.buffer))).toBe(true);
    expect(() => ring.exports.touch(ring.buffer.byteLength - 64, 128)).toThrow(WebAssembly.RuntimeError);
  });
});

describe("values bit after bit", () => {
  it.each(COUNTS.flatMap((count) => [1, 3, 8, 17, 33, 48, 63, 64].map((bits) => ({ count, bits }))))(
    "$count values of $bits bits, there and back",
    ({ count, bits }) => {
      const { ring, put, get } = memory();
      const values = words(count);
      const bytes = Math.ceil((count * bits) / 8);
      const [from, packed, to] = [put(values), put(words(count + 1)), put(words(count))];
      const behind = [...ring.u8(packed + bytes, 8)];
      ring.exports.wordsToBits(from, packed, count, bits);
      const all = values.reduceRight((sum, value) => (sum << BigInt(bits)) | wrap(value, bits), 0n);
      const want = Array.from({ length: bytes }, (_, i) => Number((all >> BigInt(8 * i)) & 0xffn));
      expect([...ring.u8(packed, bytes)]).toEqual(want);
      expect([...ring.u8(packed + bytes, 8)]).toEqual(behind);
      ring.exports.bitsToWords(packed, to, count, bits);
      expect(get(to, count)).toEqual(values.map((value) => wrap(value, bits)));
    },
  );
});

describe("tournament pools", () => {
  const records = 3;
  const [inputs, pairs, slots] = [11, 7, 18];
  const pool = words(records * slots);

  it("load, differences, winners and results equal their definitions", () => {
    const { ring, put, list, get } = memory();
    const [x, z, source] = [words(records * pairs), words(records * pairs), words(records * inputs)];
    const [a, b] = [indices(pairs, inputs), indices(pairs, inputs)];
    const at = { pool: put(pool), x: put(x), z: put(z), source: put(source), a: list(a), b: list(b), out: put(x) };

    ring.exports.poolLoad(at.pool, at.source, inputs, records, slots);
    const loaded = pool.map((value, i) =>
      i % slots < inputs ? source[Math.floor(i / slots) * inputs + (i % slots)] : value,
    );
    expect(get(at.pool, pool.length)).toEqual(loaded);

    ring.exports.poolDifferences(at.x, at.pool, at.a, at.b, pairs, records, slots, 48);
    const slot = (r: number, index: number): bigint => loaded[r * slots + index];
    const each = <T>(make: (r: number, k: number) => T): T[] =>
      Array.from({ length: records * pairs }, (_, i) => make(Math.floor(i / pairs), i % pairs));
    expect(get(at.x, x.length)).toEqual(each((r, k) => wrap(x[r * pairs + k] + slot(r, a[k]) - slot(r, b[k]), 48)));

    ring.exports.poolWinners(at.pool, at.z, at.b, inputs, pairs, records, slots);
    const won = each((r, k) => wrap(slot(r, b[k]) + z[r * pairs + k]));
    each((r, k) => expect(get(at.pool + 8 * (r * slots + inputs + k), 1)).toEqual([won[r * pairs + k]]));

    const result = list(Array.from({ length: pairs }, (_, k) => inputs + k));
    ring.exports.poolGather(at.out, at.pool, result, pairs, records, slots);
    expect(get(at.out, records * pairs)).toEqual(won);
  });
});

describe("couples of neighbours", () => {
  /** First slots of the pairs of 2 x 2 windows with stride 2, window by window, and of what they win. */
  const rowsOf = (width: number, windows: number): number[] =>
    Array.from({ length: windows }, (_, w) => {
      const top = Math.floor((2 * w) / width) * 2 * width + ((2 * w) % width);
      return [top, top + width];
    }).flat();
  const cases = [
    { name: "windows of one row", a: rowsOf(10, 5) },
    { name: "windows of several rows", a: rowsOf(8, 12) },
    { name: "winners, an even number", a: Array.from({ length: 8 }, (_, k) => 3 + 2 * k) },
    { name: "winners, an odd number", a: Array.from({ length: 13 }, (_, k) => 2 * k) },
    { name: "one pair", a: [5] },
  ];

  it.each(cases)("$name: equal the lists of indices", ({ a }) => {
    const records = 3;
    const pairs = a.length;
    const slots = Math.max(...a) + 2 + pairs;
    const first = slots - pairs;
    const b = a.map((slot) => slot + 1);
    const couples = couplesOf({ a, b });
    if (!couples) throw new Error("these are runs of neighbours");
    expect(couples.runs.reduce((sum, n, i) => (i % 4 === 3 ? sum + n : sum), 0)).toBe(Math.floor(pairs / 2));
    const { ring, put, list, get } = memory();
    const [x, z, pool] = [words(records * pairs + 1), words(records * pairs), words(records * slots)];
    const at = { pool: put(pool), a: list(a), b: list(b), z: put(z), runs: list([...couples.runs]), out: put(x) };
    const [one, other] = [put(x), put(x)];
    const { length } = couples.runs;
    ring.exports.poolDifferences(one, at.pool, at.a, at.b, pairs, records, slots, 62);
    ring.exports.poolCoupleDifferences(other, at.pool, at.runs, length / 4, couples.last, records, slots);
    expect(get(other, x.length - 1).map((value) => wrap(value, 62))).toEqual(get(one, x.length - 1));
    expect(get(other, x.length)[x.length - 1]).toBe(x[x.length - 1]);
    const [k, from] = [ring.exports, at.pool];
    k.poolCoupleWinners(at.out, pairs, from, slots, at.z, at.runs, length / 4, couples.last, records);
    expect(get(at.out, x.length)[x.length - 1]).toBe(x[x.length - 1]);
    k.poolWinners(from, at.z, at.b, first, pairs, records, slots);
    const won = Array.from({ length: records }, (_, r) => get(from + 8 * (r * slots + first), pairs)).flat();
    expect(get(at.out, records * pairs)).toEqual(won);
  });

  it("are refused where pairs are no neighbours, or runs too short", () => {
    expect(couplesOf({ a: [0, 4], b: [1, 8] })).toBeUndefined();
    const a = [0, 20, 9, 30, 3, 40, 70, 50];
    expect(couplesOf({ a, b: a.map((slot) => slot + 1) })).toBeUndefined();
  });
});
