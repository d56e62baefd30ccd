import { GATE_GROUP } from "../gate.js";
import type { GateChain, GateLayout } from "../gate.js";

/**
 * The bit-sliced gate in plain TypeScript: the definition that the kernels are tested against. A row of 128 bits is a
 * BigInt (16 bytes, little-endian): bit 16 l + i belongs to element 8 i + l. A block's correlation is its bytes in the
 * layout of `@parley/plan`.
 */
const ROW = 16;
const BLOCK = 128;
const ONES = (1n << 128n) - 1n;

export type Rows = bigint[];

export function rowsOf(bytes: Uint8Array): Rows {
  return Array.from({ length: bytes.length / ROW }, (_, row) =>
    bytes.subarray(row * ROW, (row + 1) * ROW).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n),
  );
}

export function bytesOf(rows: Rows): Uint8Array {
  return Uint8Array.from(
    rows.flatMap((row) => Array.from({ length: ROW }, (_, i) => Number((row >> BigInt(8 * i)) & 0xffn))),
  );
}

const position = (element: number): bigint => BigInt(16 * (element % 8) + Math.floor(element / 8));
const bitOf = (row: bigint, element: number): bigint => (row >> position(element)) & 1n;
const not = (row: bigint): bigint => row ^ ONES;
const wrap = (value: bigint, bits = 64): bigint => BigInt.asUintN(bits, value);

/** Row k holds bit k of each of 128 words, less 2^subBit where subBit >= 0. */
export function slice(words: bigint[], width: number, subBit: number): Rows {
  const values = words.map((x) => wrap(subBit < 0 ? x : x - (1n << BigInt(subBit))));
  return Array.from({ length: width }, (_, k) =>
    values.reduce((row, x, element) => row | (((x >> BigInt(k)) & 1n) << position(element)), 0n),
  );
}

/** A block of correlations as rows and words. */
export interface ReferenceBlock {
  readonly rows: Rows;
  readonly words: bigint[][];
}

/** Where the word of a kind of an element lies: eight elements of each kind side by side. */
const wordAt = (kinds: number, kind: number, n: number): number => (Math.floor(n / 8) * kinds + kind) * 8 + (n % 8);

/** Block n of `count`: its rows and words, which lie apart, as one piece. */
export function blockOf(gate: GateLayout, blocks: Uint8Array, n: number, count: number): Uint8Array {
  const first = n - (n % GATE_GROUP);
  const size = Math.min(GATE_GROUP, count - first);
  const parts = [gate.lookUpRows * ROW, (gate.rows - gate.lookUpRows) * ROW, gate.blockBytes - gate.rows * ROW];
  let at = first * gate.blockBytes;
  return Uint8Array.from(
    parts.flatMap((bytes) => {
      const from = at + (n - first) * bytes;
      at += size * bytes;
      return [...blocks.subarray(from, from + bytes)];
    }),
  );
}

export function readBlock(gate: GateLayout, bytes: Uint8Array): ReferenceBlock {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kinds = (gate.blockBytes - gate.rows * ROW) / (8 * BLOCK);
  return {
    rows: rowsOf(bytes.subarray(0, gate.rows * ROW)),
    words: Array.from({ length: kinds }, (_, kind) =>
      Array.from({ length: BLOCK }, (_, n) => view.getBigUint64(gate.rows * ROW + 8 * wordAt(kinds, kind, n), true)),
    ),
  };
}

export function writeBlock(block: ReferenceBlock): Uint8Array {
  const words = new BigUint64Array(block.words.length * BLOCK);
  block.words.forEach((values, kind) =>
    values.forEach((value, n) => (words[wordAt(block.words.length, kind, n)] = value)),
  );
  return Uint8Array.from([...bytesOf(block.rows), ...new Uint8Array(words.buffer)]);
}

/** (c < rho) and (c - 1 < rho) of shares: T[c] and T[c - 1], each element with its own chunk value. */
function lookUp(table: Rows, c: Rows, one: bigint): { lt: bigint; before: bigint } {
  const indicator = (v: number): bigint => c.reduce((all, bit, k) => all & ((v >> k) & 1 ? bit : not(bit)), ONES);
  let lt = 0n;
  let before = one & indicator(0);
  for (let v = 0; v < table.length; v++) {
    lt ^= table[v] & indicator(v);
    before ^= table[v] & indicator(v + 1);
  }
  return { lt, before };
}

function lookUpChain(gate: GateLayout, chain: GateChain, block: Rows, bits: Rows, sent: Rows, one: bigint): bigint {
  const m = chain.chunks.length;
  let from = chain.from;
  let last = 0n;
  chain.chunks.forEach((t, j) => {
    const table = block.slice(chain.tables[j], chain.tables[j] + 2 ** t - 1);
    const { lt, before } = lookUp(table, bits.slice(from, from + t), one);
    from += t;
    const put = (at: number, value: bigint): void => {
      sent[at] = value ^ block[gate.masks + at];
    };
    if (j < m - 1) put(chain.sent + j, lt);
    if (j > 0) put(chain.sent + m - 1 + j - 1, lt ^ before);
    last = lt;
  });
  return last;
}

/** Step 2 and this party's rows of step 3; state: [share of b before the fold, share of u before the fold]. */
export function lookUpBlock(
  gate: GateLayout,
  party: 0 | 1,
  x: bigint[],
  block: ReferenceBlock,
): { sent: Rows; state: Rows } {
  const one = party === 0 ? ONES : 0n;
  const relu = gate.function === "relu";
  const bits = slice(x, gate.width, relu && gate.shift > 0 ? gate.shift : -1);
  const sent: Rows = Array.from({ length: gate.openedRows }, () => 0n);
  const state = [0n, 0n];
  if (relu) {
    const lt = lookUpChain(gate, gate.high, block.rows, bits, sent, one);
    state[0] = lt ^ block.rows[gate.top] ^ (one & not(bits[gate.width - 1]));
  }
  if (gate.shift > 0) state[1] = lookUpChain(gate, gate.low, block.rows, bits, sent, one);
  return { sent, state };
}

/** Sum over j of the share of lt_j eq_(j+1) .. eq_(m-1), each product over the subsets of its factors. */
function foldChain(chain: GateChain, block: Rows, hats: Rows, one: bigint): bigint {
  const m = chain.chunks.length;
  let sum = 0n;
  for (let j = 0; j < m - 1; j++)
    for (let s = 0; s < 1 << (m - 1 - j); s++) {
      let open = ONES;
      for (let k = 0; k < m - 1 - j; k++)
        if (((s >> k) & 1) === 0) open &= hats[chain.sent + (m - 1) + (m - 1 - k) - 1];
      const e = s === 0 ? one : block[chain.e[s]];
      sum ^= open & ((hats[chain.sent + j] & e) ^ block[chain.l[j][s]]);
    }
  return sum;
}

/** Step 4 and this party's rows of step 5. */
export function foldBlock(gate: GateLayout, party: 0 | 1, block: ReferenceBlock, hats: Rows, state: Rows): Rows {
  const one = party === 0 ? ONES : 0n;
  const select: Rows = [];
  if (gate.function === "relu")
    select.push(foldChain(gate.high, block.rows, hats, one) ^ state[0] ^ block.rows[gate.sb]);
  if (gate.shift > 0) select.push(foldChain(gate.low, block.rows, hats, one) ^ state[1] ^ block.rows[gate.su]);
  return select;
}

/** Step 6: this party's share of z, modulo 2^64; only its low `modulus` bits count. hats: bhat and uhat as the gate has them. */
export function selectBlock(gate: GateLayout, party: 0 | 1, x: bigint[], block: ReferenceBlock, hats: Rows): bigint[] {
  const relu = gate.function === "relu";
  const [w, g] = [gate.width, gate.shift].map(BigInt);
  return x.map((X, n) => {
    const bhat = relu ? bitOf(hats[0], n) : 0n;
    const uhat = g > 0n ? bitOf(hats[hats.length - 1], n) : 0n;
    const word = (a: number): bigint => block.words[a][n];
    const first = relu ? 1 : 0;
    const kinds = g > 0n ? 2 : 1;
    const undo = (c: bigint, separate: number): bigint => {
      if (gate.rho === "none" || (X >> (w - 1n)) & 1n) return c;
      const rho = gate.rho === "packed" ? c >> BigInt(gate.modulus) : word(separate);
      return c - (rho << (w - g));
    };
    const separate = first + (relu ? 2 : 1) * kinds;
    const C = undo(word(first + Number(uhat)), separate);
    const q = (X >> g) - uhat;
    if (!relu) return wrap((party === 0 ? q - (1n << (w - 2n - g)) : 0n) - C);
    const G = undo(word(first + kinds + Number(uhat)), separate + 1);
    return wrap((1n - 2n * bhat) * (q * word(0) - G) - bhat * C + (party === 0 ? bhat * q : 0n));
  });
}

/** The dealer's side: P1's block from r, P0's block and the drawn rows (masks in sending order, then s_b, s_u). */
export function dealBlock(gate: GateLayout, r: bigint[], p0: ReferenceBlock, drawn: Rows): ReferenceBlock {
  const bits = slice(r, gate.width, -1);
  const relu = gate.function === "relu";
  const rows: Rows = Array.from({ length: gate.rows }, () => 0n);
  for (const chain of [gate.high, gate.low]) {
    const m = chain.chunks.length;
    let from = chain.from;
    chain.chunks.forEach((t, j) => {
      const rho = r.map((value) => Number((value >> BigInt(from)) & ((1n << BigInt(t)) - 1n)));
      for (let v = 0; v < 2 ** t - 1; v++)
        rows[chain.tables[j] + v] = rho.reduce((row, value, n) => row | (v < value ? 1n << position(n) : 0n), 0n);
      from += t;
    });
    if (m < 2) continue;
    const eqs = (s: number): bigint =>
      Array.from({ length: m - 1 }, (_, k) => k).reduce(
        (all, k) => ((s >> k) & 1 ? all & drawn[chain.sent + (m - 1) + (m - 1 - k) - 1] : all),
        ONES,
      );
    chain.e.forEach((row, s) => s > 0 && (rows[row] = eqs(s)));
    chain.l.forEach((products, j) => products.forEach((row, s) => (rows[row] = drawn[chain.sent + j] & eqs(s))));
  }
  const [sb, su] = [relu ? drawn[gate.openedRows] : 0n, gate.shift > 0 ? drawn[drawn.length - 1] : 0n];
  if (relu) [rows[gate.top], rows[gate.sb]] = [bits[gate.width - 1], sb];
  if (gate.shift > 0) rows[gate.su] = su;
  const words = p0.words.map(() => [] as bigint[]);
  r.forEach((value, n) => {
    const R = value >> BigInt(gate.shift);
    const rho = value >> BigInt(gate.width - 1);
    const [b, u] = [bitOf(sb, n), bitOf(su, n)];
    const C = gate.shift > 0 ? [R + u, R - u] : [R];
    const plain: [bigint, bigint?][] = [
      ...(relu ? [[b] as [bigint]] : []),
      ...C.map((c): [bigint, bigint] => [c, rho]),
    ];
    if (relu) plain.push(...C.map((c): [bigint, bigint] => [b * c, b * rho]));
    if (gate.rho === "separate") plain.push([rho], ...(relu ? [[b * rho] as [bigint]] : []));
    plain.forEach(([c, above], a) => {
      const s0 = p0.words[a][n];
      if (above === undefined || gate.rho !== "packed") words[a][n] = wrap(c - s0);
      else {
        const at = BigInt(gate.modulus);
        words[a][n] = wrap(wrap(c - s0, gate.modulus) | ((above - (s0 >> at)) << at));
      }
    });
  });
  return { rows: rows.map((row, i) => row ^ p0.rows[i]), words };
}
