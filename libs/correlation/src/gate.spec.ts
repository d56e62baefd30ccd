import { randomBytes } from "node:crypto";
import { BLOCK, tableGate } from "@parley/plan";
import type { TableGate } from "@parley/plan";
import { createRing, referenceGate as reference, writeGate } from "@parley/ring";
import { describe, expect, it } from "vitest";

/** A gate on given inputs and masks, through the kernels (and block by block through the reference). Returns z. */
function run(gate: TableGate, y: bigint[], r: bigint[], modes: { reference: boolean }): bigint[] {
  const blocks = Math.ceil(y.length / BLOCK);
  const padded = blocks * BLOCK;
  const bytes = blocks * gate.blockBytes;
  const ring = createRing(2 ** 20 + 4 * bytes + 16 * 8 * padded);
  const random = (length: number): number => {
    const at = ring.alloc(length);
    ring.u8(at, length).set(randomBytes(length));
    return at;
  };
  const words = (values: bigint[]): number => {
    const at = ring.alloc(8 * padded);
    ring.u64(at, values.length).set(values.map((v) => BigInt.asUintN(64, v)));
    return at;
  };
  const k = ring.exports;
  const specs = ([0, 1] as const).map((party) => writeGate(ring, gate, party));
  const rowBytes = { opened: 16 * gate.openedRows * blocks, select: 16 * gate.selectRows * blocks };

  // The dealer. Lanes of the last block beyond the inputs have masks of their own.
  const r0 = random(8 * padded);
  const shares = [...ring.u64(r0, padded)];
  const R = Array.from({ length: padded }, (_, n) => r[n] ?? BigInt(n) % (1n << BigInt(gate.width)));
  const r1 = words(R.map((value, n) => value - shares[n]));
  const p0 = random(bytes);
  const drawn = random(rowBytes.opened + rowBytes.select);
  const p1 = ring.alloc(bytes);
  k.gateDeal(specs[0], r0, r1, p0, drawn, p1, blocks);

  // Opening 1
  const offset = gate.function === "truncate" ? 1n << BigInt(gate.width - 2) : 0n;
  const X = R.map((value, n) => BigInt.asUintN(gate.width, value + (y[n] ?? 0n) + offset));
  const x = words(X);
  const party = ([0, 1] as const).map((p) => ({
    spec: specs[p],
    part: [p0, p1][p],
    sent: ring.alloc(rowBytes.opened),
    state: ring.alloc(32 * blocks),
    select: ring.alloc(rowBytes.select),
    z: ring.alloc(8 * padded),
  }));
  for (const p of party) k.gateLookUp(p.spec, x, p.part, p.sent, p.state, blocks);
  party.forEach((p, i) => k.gateFold(p.spec, p.part, p.sent, party[1 - i].sent, p.state, p.select, blocks));
  party.forEach((p, i) => k.gateSelect(p.spec, x, p.part, p.select, party[1 - i].select, p.z, blocks));

  if (modes.reference)
    for (let n = 0; n < blocks; n++) {
      const slice = (at: number, size: number): Uint8Array => ring.u8(at + n * size, size).slice();
      const inputs = X.slice(n * BLOCK, (n + 1) * BLOCK);
      const rows = (at: number, count: number): bigint[] => reference.rowsOf(slice(at, 16 * count));
      const blockOf = (at: number): Uint8Array => reference.blockOf(gate, ring.u8(at, bytes), n, blocks);
      const block0 = reference.readBlock(gate, blockOf(p0));
      const dealt = reference.dealBlock(
        gate,
        R.slice(n * BLOCK, (n + 1) * BLOCK),
        block0,
        rows(drawn, gate.openedRows + gate.selectRows),
      );
      expect(reference.writeBlock(dealt)).toEqual(blockOf(p1));
      const looked = ([0, 1] as const).map((p) => reference.lookUpBlock(gate, p, inputs, [block0, dealt][p]));
      const hats = looked[0].sent.map((row, i) => row ^ looked[1].sent[i]);
      const selects = ([0, 1] as const).map((p) =>
        reference.foldBlock(gate, p, [block0, dealt][p], hats, looked[p].state),
      );
      const opened = selects[0].map((row, i) => row ^ selects[1][i]);
      party.forEach((p, i) => {
        expect(rows(p.sent, gate.openedRows)).toEqual(looked[i].sent);
        expect(rows(p.select, gate.selectRows)).toEqual(selects[i]);
        const z = reference.selectBlock(gate, i as 0 | 1, inputs, [block0, dealt][i], opened);
        expect([...ring.u64(p.z + n * 8 * BLOCK, BLOCK)]).toEqual(z);
      });
    }
  const [z0, z1] = party.map((p) => [...ring.u64(p.z, padded)]);
  return y.map((_, n) => BigInt.asUintN(gate.modulus, z0[n] + z1[n]));
}

const want = (gate: TableGate, y: bigint): bigint => {
  const value = gate.function === "relu" && y < 0n ? 0n : y >> BigInt(gate.shift);
  return BigInt.asUintN(gate.modulus, value);
};

/** Protocol, section 5: the inputs that a gate is defined for. */
function range({ function: f, width, shift }: TableGate): [bigint, bigint] {
  if (f === "truncate") return [-(1n << BigInt(width - 2)), 1n << BigInt(width - 2)];
  const top = 1n << BigInt(width - 1);
  const edge = shift > 0 ? 1n << BigInt(shift) : 0n;
  return [-top + edge, top - edge - 1n];
}

const relu = (width: number, shift: number, modulus: number, most?: number): TableGate =>
  tableGate({ kind: "table", function: "relu", width, shift, modulus }, most ? { high: most, low: most } : undefined);
const truncate = (width: number, shift: number, modulus: number, most?: number): TableGate =>
  tableGate(
    { kind: "table", function: "truncate", width, shift, modulus },
    most ? { high: most, low: most } : undefined,
  );

describe("the gate, exhaustively for small widths: every input with every mask r", () => {
  const cases = [2, 3, 4, 5, 6].flatMap((w) =>
    Array.from({ length: w - 1 }, (_, g) => g).flatMap((g) =>
      [1, 2, 6].flatMap((most) => [w, 64, Math.max(1, w - g - 1)].map((modulus) => ({ w, g, most, modulus }))),
    ),
  );
  const exhaust = (gate: TableGate): void => {
    const [lo, hi] = range(gate);
    const y: bigint[] = [];
    const r: bigint[] = [];
    for (let value = lo; value <= hi; value++)
      for (let mask = 0n; mask < 1n << BigInt(gate.width); mask++) {
        y.push(value);
        r.push(mask);
      }
    const z = run(gate, y, r, { reference: gate.width <= 4 });
    expect(z).toEqual(y.map((value) => want(gate, value)));
  };

  it.each(cases)("relu, width $w, shift $g, chunks of $most, modulo 2^$modulus", ({ w, g, most, modulus }) =>
    exhaust(relu(w, g, modulus, most)),
  );
  it.each(cases.filter(({ g }) => g > 0))("truncation, width $w, shift $g, chunks of $most, modulo 2^$modulus", (c) =>
    exhaust(truncate(c.w, c.g, c.modulus, c.most)),
  );
});

/** Ends of the range, and where a carry or a sign turns, each with masks that are ends themselves. */
function edges(gate: TableGate): { y: bigint[]; r: bigint[] } {
  const [lo, hi] = range(gate);
  const G = 1n << BigInt(gate.shift);
  const values = [lo, lo + 1n, hi, hi - 1n, 0n, 1n, -1n, G, G - 1n, G + 1n, -G, -G - 1n, -G + 1n].filter(
    (y) => y >= lo && y <= hi,
  );
  const top = 1n << BigInt(gate.width);
  const masks = [0n, 1n, top - 1n, top >> 1n, (top >> 1n) - 1n, G - 1n, top - G, BigInt.asUintN(gate.width, -lo), hi];
  const pairs = values.flatMap((y) => masks.map((r) => ({ y, r })));
  return { y: pairs.map((p) => p.y), r: pairs.map((p) => p.r) };
}

const randomBits = (bits: number): bigint =>
  BigInt.asUintN(bits, new DataView(new Uint8Array(randomBytes(8)).buffer).getBigUint64(0));

describe("the gate, real widths", () => {
  const cases = [32, 40, 48, 56, 62].flatMap((w) =>
    [0, 1, 3, 4, 5, 8, 10, 13, 16, 20, w - 3, w - 2].flatMap((g) =>
      [...new Set([w, 32, 64])].map((modulus) => ({ w, g, modulus })),
    ),
  );
  const check = (gate: TableGate, withReference: boolean): void => {
    const at = edges(gate);
    const [lo, hi] = range(gate);
    for (let n = 0; n < 200; n++) {
      at.y.push(lo + (randomBits(64) % (hi - lo + 1n)));
      at.r.push(randomBits(gate.width));
    }
    expect(run(gate, at.y, at.r, { reference: withReference })).toEqual(at.y.map((y) => want(gate, y)));
  };

  it.each(cases)("relu, width $w, shift $g, modulo 2^$modulus", ({ w, g, modulus }) =>
    check(relu(w, g, modulus), modulus === w && (g === 0 || g === 16)),
  );
  it.each(cases.filter(({ g }) => g > 0))("truncation, width $w, shift $g, modulo 2^$modulus", ({ w, g, modulus }) =>
    check(truncate(w, g, modulus), modulus === w && g === 16),
  );
});

describe("the opening of X", () => {
  const parameters = [32, 40, 48, 56, 62].flatMap((w) => [0, 16].map((g) => ({ w, g })));
  it.each(parameters)("and the look-up at once equal one after the other: width $w, shift $g", ({ w, g }) => {
    const gate = relu(w, g, w);
    const ring = createRing(2 ** 20);
    const k = ring.exports;
    for (const elements of [1, 7, 8, 100, 128, 131, 300]) {
      const mark = ring.mark();
      const blocks = Math.ceil(elements / BLOCK);
      const random = (bytes: number): number => {
        const at = ring.alloc(bytes);
        ring.u8(at, bytes).set(randomBytes(bytes));
        return at;
      };
      const bits = w === 62 ? 64 : w;
      const own = ring.u64(random(8 * BLOCK * blocks), BLOCK * blocks).slice();
      own.fill(0n, elements);
      const [part, peer] = [random(gate.blockBytes * blocks), random(bits * 16 * blocks)];
      const spec = writeGate(ring, gate, 1);
      const results = [false, true].map((atOnce) => {
        const [x, words] = [ring.alloc(8 * own.length), ring.alloc(8 * own.length)];
        const [sent, state] = [ring.alloc(16 * gate.openedRows * blocks), ring.alloc(32 * blocks)];
        ring.u64(x, own.length).set(own);
        if (atOnce) k.gateOpenLookUp(spec, x, peer, part, sent, state, elements);
        else {
          k.unpackWords(words, peer, elements, bits);
          const theirs = ring.u64(words, elements);
          ring.u64(x, elements).set(theirs.map((value, n) => BigInt.asUintN(w, value + own[n])));
          k.gateLookUp(spec, x, part, sent, state, blocks);
        }
        return [ring.u8(x, 8 * own.length), ring.u8(sent, 16 * gate.openedRows * blocks), ring.u8(state, 32 * blocks)];
      });
      const [apart, together] = results.map((views) => views.map((view) => Buffer.from(view)));
      together.forEach((bytes, i) => expect(bytes.equals(apart[i])).toBe(true));
      ring.release(mark);
    }
  });
});
