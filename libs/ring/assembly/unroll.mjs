// Writes the straight-line parts of the gate's kernels: AssemblyScript cannot unroll a loop. Every address in them is a
// pointer and a constant, so that each row costs one load. Run by `npm run wasm`.
import { mkdirSync, writeFileSync } from "node:fs";

const rows = (n) => n * 16;
const load = (pointer, row) => `v128.load(${pointer}${row === 0 ? "" : `, ${rows(row)}`})`;
const store = (pointer, value, row) => `v128.store(${pointer}, ${value}${row === 0 ? "" : `, ${rows(row)}`});`;
const log2 = (s) => 31 - Math.clz32(s);

/** Collects statements; names what it keeps. */
function body() {
  const lines = [];
  let names = 0;
  return {
    lines,
    say: (line) => lines.push(`  ${line}`),
    keep(expression) {
      const name = `n${names++}`;
      lines.push(`  const ${name} = ${expression};`);
      return name;
    },
  };
}

const fn = (doc, head, { lines }) => [`/** ${doc} */`, `export function ${head} {`, ...lines, "}", ""].join("\n");

/** One-hot vectors of h bits, the lowest first. */
function indicators(b, bits) {
  let all = [b.keep(`v128.not(${bits[0]})`), bits[0]];
  for (const bit of bits.slice(1)) {
    const pairs = all.map((a) => [b.keep(`v128.andnot(${a}, ${bit})`), b.keep(`v128.and(${a}, ${bit})`)]);
    all = [...pairs.map(([no]) => no), ...pairs.map(([, yes]) => yes)];
  }
  return all;
}

/** A binary tree over values that come one by one: the one whose number the bits spell. */
function tree(b, bits) {
  const waiting = [];
  return {
    take(value) {
      let level = 0;
      for (; waiting[level] !== undefined; level++) {
        const a = waiting[level];
        value = b.keep(`v128.xor(${a}, v128.and(${bits[level]}, v128.xor(${a}, ${value})))`);
        waiting[level] = undefined;
      }
      waiting[level] = value;
    },
    result: () => waiting[bits.length],
  };
}

/** T[c] and T[c - 1] of one chunk of t bits; T[2^t - 1] = 0 has no row, T[-1] = one. */
function lookUp(t) {
  const b = body();
  const top = t < 3 ? t : t < 5 ? 2 : 3;
  const depth = t - top;
  const c = Array.from({ length: t }, (_, k) => b.keep(load("c", k)));
  const one = indicators(b, c.slice(depth));
  const size = 2 ** depth;
  const here = tree(b, c.slice(0, depth));
  const before = tree(b, c.slice(0, depth));
  for (let l = -1; l < size; l++) {
    let sum;
    one.forEach((indicator, h) => {
      const v = h * size + l;
      if (v === 2 ** t - 1) return;
      const term = `v128.and(${v < 0 ? "one" : load("table", v)}, ${indicator})`;
      sum = b.keep(sum === undefined ? term : `v128.xor(${sum}, ${term})`);
    });
    if (l >= 0) here.take(sum);
    if (l < size - 1) before.take(sum);
  }
  b.say(store("out", here.result(), 0));
  b.say(store("out", before.result(), 1));
  return fn(
    `T[c] and T[c - 1] of a chunk of ${t} bits, whose rows start at c.`,
    `lookUp${t}(table: usize, c: usize, one: v128, out: usize): void`,
    b,
  );
}

/** Row of the product S of masks among the rows of products: those of one mask have none, nor has the empty one. */
const productRow = (s) => s - log2(s) - 2;
const isSingle = (s) => (s & (s - 1)) === 0;

/** One lt_j: sums over the subsets of eq_(j+1) .. eq_(m-1) become sums over those of eq_(j+2) .. */
function foldLevel(half, first) {
  const b = body();
  const q = log2(half);
  const e = (s) => (s === 0 ? "one" : isSingle(s) ? load("eqs", q - log2(s)) : load("e", productRow(s)));
  const term = (s) => {
    const a = b.keep(`v128.xor(v128.and(lt, ${e(s)}), ${s === 0 ? "mask" : load("l", s - 1)})`);
    return first ? a : b.keep(`v128.xor(${a}, ${load("sums", s)})`);
  };
  for (let s = 0; s < half; s++) {
    const a = term(s);
    b.say(store("sums", `v128.xor(v128.and(${a}, eq), ${term(s + half)})`, s));
  }
  return fn(
    `${2 * half} sums become ${half}. eqs: the mask of this level's eq and those above it; mask: that of lt.`,
    `fold${half}${first ? "First" : ""}(eqs: usize, e: usize, l: usize, mask: v128, lt: v128, eq: v128, one: v128, sums: usize): void`,
    b,
  );
}

const share = (b, value, row) => b.say(store("out", `v128.xor(${value}, ${load("p0", row)})`, row));

/** The table of a chunk: T[v] = (v < rho), the rows of rho's bits at r. */
function dealTable(t) {
  const b = body();
  const r = Array.from({ length: t }, (_, k) => b.keep(load("r", k)));
  const grow = (value, v, k) => {
    if (k === t) {
      if (v < 2 ** t - 1) share(b, value, v);
      return;
    }
    grow(value === "" ? r[k] : b.keep(`v128.or(${r[k]}, ${value})`), v, k + 1);
    if (v + 2 ** k === 2 ** (k + 1) - 1) grow("", v + 2 ** k, k + 1);
    else grow(b.keep(`v128.and(${r[k]}, ${value})`), v + 2 ** k, k + 1);
  };
  grow("", 0, 0);
  return fn(
    `P1's share of the table of a chunk of ${t} bits.`,
    `dealTable${t}(r: usize, p0: usize, out: usize): void`,
    b,
  );
}

/** The masks of a chain's opened bits, then the products of masks. */
function dealMasks(m) {
  const b = body();
  const eqs = m - 1;
  for (let row = 0; row < 2 * eqs; row++) share(b, load("drawn", row), row);
  return fn(
    `P1's shares of the masks of a chain of ${m} chunks.`,
    `dealMasks${m}(drawn: usize, p0: usize, out: usize): void`,
    b,
  );
}

function dealProducts(m) {
  const b = body();
  const eqs = m - 1;
  const eq = (k) => load("drawn", eqs + eqs - 1 - k);
  const firstL = [2 ** eqs - m];
  for (let j = 0; j + 1 < eqs; j++) firstL.push(firstL[j] + 2 ** (eqs - j) - 1);
  const visit = (s, value, below) => {
    if (!isSingle(s)) share(b, value, productRow(s));
    for (let j = 0; j < eqs && s < 2 ** (eqs - j); j++)
      share(b, `v128.and(${value}, ${load("drawn", j)})`, firstL[j] + s - 1);
    for (let k = 0; k < below; k++) visit(s | (1 << k), b.keep(`v128.and(${value}, ${eq(k)})`), k);
  };
  for (let k = 0; k < eqs; k++) visit(1 << k, b.keep(eq(k)), k);
  return fn(
    `P1's shares of the products of masks of a chain of ${m} chunks.`,
    `dealProducts${m}(drawn: usize, p0: usize, out: usize): void`,
    b,
  );
}

const upTo8 = (from, make) => Array.from({ length: 9 - from }, (_, i) => make(from + i));
const parts = [
  "// Written by assembly/unroll.mjs.\n",
  ...upTo8(1, lookUp),
  ...[1, 2, 4, 8, 16, 32, 64].flatMap((half) => [foldLevel(half, true), foldLevel(half, false)]),
  ...upTo8(1, dealTable),
  ...upTo8(2, dealMasks),
  ...upTo8(2, dealProducts),
];
mkdirSync(new URL("../build/", import.meta.url), { recursive: true });
writeFileSync(new URL("../build/unrolled.ts", import.meta.url), parts.join("\n"));
