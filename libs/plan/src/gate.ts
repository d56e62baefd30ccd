import type { GateKind } from "./plan.js";

/** Elements of a block: one bit of each is a row of 16 bytes. */
export const BLOCK = 128;
const ROW_BYTES = 16;

/** Which function a gate computes: z = max(0, floor(y / 2^g)), or z = floor(y / 2^g). A maximum is a ReLU with g = 0. */
export type GateFunction = "relu" | "truncate";

/** Everything that fixes the layout of a gate. Public. */
export interface GateParameters {
  readonly kind: GateKind;
  readonly function: GateFunction;
  /** The input counts modulo 2^width; 2..62. */
  readonly width: number;
  /** g, the bits that are cut off. */
  readonly shift: number;
  /** The output is shared modulo 2^modulus: what its consumers need, at most 64. */
  readonly modulus: number;
}

/** One opening of a gate: both parties contribute a share. */
export interface GateOpening {
  /** "x" is the masked input, packed at the gate's width; the others are rows of bits. */
  readonly what: "x" | "bits" | "select";
  /** Rows of 16 bytes per block; 0 for "x". */
  readonly rows: number;
}

/** Comparison of a chain of chunks with products of masked bits. Row numbers count within a block. */
export interface Chain {
  /** Bits of the chunks, least significant first. */
  readonly chunks: readonly number[];
  /** First bit of X (and of r) that the chain reads. */
  readonly from: number;
  /** First row of each chunk's table of 2^t - 1 rows. */
  readonly tables: readonly number[];
  /** First of the 2m - 2 sent rows: lt_0 .. lt_(m-2), eq_1 .. eq_(m-1). Also the masks' position behind {@link TableGate.masks}. */
  readonly sent: number;
  /** products[S] of the masks of eq, S over bits: eq_(m-1) is bit 0, eq_1 the top one. [0] is the constant 1 and has no row (-1). */
  readonly e: readonly number[];
  /** l[j][S]: the mask of lt_j times those of S, S over eq_(j+1) .. eq_(m-1). */
  readonly l: readonly (readonly number[])[];
}

/** Where the wrap bit rho is kept: nowhere, above the modulus in the words of C, or in words of its own. */
export type RhoPlace = "none" | "packed" | "separate";

/** Layout and cost of the gate of protocol section 5 ("table"): rows of a block in order tables, masks, top, products, selection masks, then
 * words, of eight elements each kind side by side. Blocks lie in groups of eight: the look-ups' rows of all, the folds', the words. */
export interface TableGate extends GateParameters {
  readonly high: Chain;
  readonly low: Chain;
  readonly tableRows: number;
  /** First mask row; as many as rows are opened in step 3. */
  readonly masks: number;
  readonly openedRows: number;
  /** Rows that the look-ups read: those up to here. The folds read the others, and the masks. */
  readonly lookUpRows: number;
  /** Row of bit w-1 of r, -1 for a truncation. */
  readonly top: number;
  /** Rows of s_b and s_u, -1 where there is none. */
  readonly sb: number;
  readonly su: number;
  /** Rows opened in step 5. */
  readonly selectRows: number;
  readonly rows: number;
  readonly rho: RhoPlace;
  /** Additively shared words per element. */
  readonly words: number;
  /** Bytes of a block of correlation, words included, without r. */
  readonly blockBytes: number;
  readonly openings: readonly GateOpening[];
}

/** Longest chain: its products double with each chunk. */
const MOST_CHUNKS = 8;
/** What one more opened row is worth in rows that are read: it travels in both directions. */
const OPENED_ROW = 10;

/** n bits cut into m chunks, as even as possible, the longer ones first (least significant). */
const evenly = (n: number, m: number): number[] =>
  Array.from({ length: m }, (_, i) => Math.floor(n / m) + (i < n % m ? 1 : 0));

/** n bits cut into chunks of at most `most` bits (more where that made over 8). */
export const cut = (n: number, most: number): number[] => evenly(n, Math.min(MOST_CHUNKS, Math.ceil(n / most)));

/** Rows of tables and of products of masks that a chain of these chunks has. */
const rowsOf = (chunks: readonly number[]): number => {
  const [m, sets] = [chunks.length, 2 ** (chunks.length - 1)];
  return chunks.reduce((sum, t) => sum + 2 ** t - 1, 0) + (sets - m) + (2 * sets - m - 1);
};

/** n bits cut so that the chain costs least: short chunks have small tables, but more bits to open and more products. */
export function cheapest(n: number): number[] {
  if (n === 0) return [];
  const cost = (chunks: number[]): number => rowsOf(chunks) + OPENED_ROW * (2 * chunks.length - 2);
  return Array.from({ length: Math.min(MOST_CHUNKS, n) }, (_, i) => evenly(n, i + 1)).reduce((best, chunks) =>
    cost(chunks) < cost(best) ? chunks : best,
  );
}

export const blocksOf = (count: number): number => Math.ceil(count / BLOCK);

/** Protocol, section 5: valid widths and shifts. Throws RangeError. */
function check({ function: f, width, shift, modulus }: GateParameters): void {
  const least = f === "truncate" ? 1 : 0;
  const whole = [width, shift, modulus].every(Number.isInteger);
  if (!whole || width < 2 || width > 62 || shift < least || shift > width - 2)
    throw new RangeError(`a ${f} gate of width ${width} cannot cut ${shift} bits`);
  if (modulus < 1 || modulus > 64) throw new RangeError(`a ${f} gate cannot share its output modulo 2^${modulus}`);
}

/**
 * Layout of a gate. Pure; any valid width, also those that no plan uses. `most` is for tests of other cuts.
 * @throws RangeError for parameters outside protocol section 5
 */
export function tableGate(p: GateParameters, most?: { high: number; low: number }): TableGate {
  check(p);
  const { width, shift, modulus } = p;
  const relu = p.function === "relu";
  const chunksOf = (n: number, largest?: number): number[] => (largest ? cut(n, largest) : cheapest(n));
  const high = relu ? chunksOf(width - 1 - shift, most?.high) : [];
  const low = chunksOf(shift, most?.low);
  let row = 0;
  const take = (rows: number): number => (row += rows) - rows;
  const tables = [high, low].map((chunks) => chunks.map((t) => take(2 ** t - 1)));
  const tableRows = row;
  const opened = [high, low].map((chunks) => Math.max(0, 2 * chunks.length - 2));
  const masks = take(opened[0] + opened[1]);
  const top = relu ? take(1) : -1;
  const lookUpRows = row;
  const chain = (chunks: number[], index: 0 | 1): Chain => {
    const m = chunks.length;
    const sent = index === 0 ? 0 : opened[0];
    const eqs = Math.max(0, m - 1);
    const single = (s: number): number => masks + sent + (m - 1) + (m - 1 - Math.log2(s)) - 1;
    const isSingle = (s: number): boolean => (s & (s - 1)) === 0;
    const e = Array.from({ length: 2 ** eqs }, (_, s) => (s === 0 ? -1 : isSingle(s) ? single(s) : take(1)));
    const l = Array.from({ length: eqs }, (_, j) =>
      Array.from({ length: 2 ** (eqs - j) }, (_, s) => (s === 0 ? masks + sent + j : take(1))),
    );
    return { chunks, from: index === 0 ? shift : 0, tables: tables[index], sent, e, l };
  };
  const chains = [chain(high, 0), chain(low, 1)];
  const sb = relu ? take(1) : -1;
  const su = shift > 0 ? take(1) : -1;
  const selectRows = (relu ? 1 : 0) + (shift > 0 ? 1 : 0);
  const missing = modulus - (width - shift);
  const rho: RhoPlace = missing <= 0 ? "none" : missing <= 64 - modulus ? "packed" : "separate";
  const factors = relu ? 2 : 1; // C and s_b C, or C alone
  const words = (relu ? 1 : 0) + factors * (shift > 0 ? 2 : 1) + (rho === "separate" ? factors : 0);
  const openings: GateOpening[] = [
    { what: "x", rows: 0 },
    { what: "bits", rows: opened[0] + opened[1] },
    { what: "select", rows: selectRows },
  ];
  return {
    ...p,
    high: chains[0],
    low: chains[1],
    tableRows,
    masks,
    openedRows: opened[0] + opened[1],
    lookUpRows,
    top,
    sb,
    su,
    selectRows,
    rows: row,
    rho,
    words,
    blockBytes: row * ROW_BYTES + words * BLOCK * 8,
    openings: openings.filter((o) => o.what === "x" || o.rows > 0),
  };
}

/** Layouts of valid parameters: a few thousand at most, a few in use. */
const layouts = new Map<string, TableGate>();

/** Layout of a gate of each kind, by the name that a plan gives. */
export const GATE_LAYOUTS: Record<GateKind, (parameters: GateParameters) => TableGate> = {
  table: (p) => {
    const key = `${p.function} ${p.width} ${p.shift} ${p.modulus}`;
    let made = layouts.get(key);
    if (!made) layouts.set(key, (made = tableGate(p)));
    return made;
  },
};

/** Bytes of one gate of `count` elements that each party derives from its key, and that the dealer sends to P1. */
export interface GateDemand {
  /** P0: its share of r (8 bytes for each element of the padded blocks), then its blocks. */
  readonly own0: number;
  /** P1: its share of r. */
  readonly own1: number;
  /** P1's blocks, explicit. */
  readonly corrections: number;
}

export function gateDemand(gate: TableGate, count: number): GateDemand {
  const blocks = blocksOf(count);
  const r = blocks * BLOCK * 8;
  return { own0: r + blocks * gate.blockBytes, own1: r, corrections: blocks * gate.blockBytes };
}

/** Bytes that a party sends for an opening of a gate of `count` elements, where it sends a share at all. */
export const openingRowBytes = (opening: GateOpening, count: number): number =>
  opening.rows * ROW_BYTES * blocksOf(count);
