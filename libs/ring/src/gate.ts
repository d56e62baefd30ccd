import { allocationBytes } from "./ring.js";
import type { Ring } from "./ring.js";

/** A chain of chunks; `@parley/plan` states the layout and is the place to read about it. Rows count within a block. */
export interface GateChain {
  readonly chunks: readonly number[];
  readonly from: number;
  readonly tables: readonly number[];
  readonly sent: number;
  readonly e: readonly number[];
  readonly l: readonly (readonly number[])[];
}

/** Blocks that lie part by part: see {@link GateLayout}. */
export const GATE_GROUP = 8;

/**
 * Layout of a gate, as TableGate of `@parley/plan`. Of each {@link GATE_GROUP} blocks, the last ones maybe fewer, first all rows
 * of look-ups lie one behind the other, then all those of folds, then all words.
 */
export interface GateLayout {
  readonly function: "relu" | "truncate";
  readonly width: number;
  readonly shift: number;
  readonly modulus: number;
  readonly high: GateChain;
  readonly low: GateChain;
  readonly masks: number;
  readonly openedRows: number;
  /** Rows that the look-ups read, the first ones: tables, masks, top. The others are the folds'. */
  readonly lookUpRows: number;
  readonly top: number;
  readonly sb: number;
  readonly su: number;
  readonly selectRows: number;
  readonly rows: number;
  readonly rho: "none" | "packed" | "separate";
  readonly blockBytes: number;
}

const ROW = 16;
/** Scratch memory of the gate's kernels; it holds secrets. */
export const GATE_SCRATCH_BYTES = 3072;
const HEADER_FIELDS = 18;
const CHAIN_HEADER_FIELDS = 6;
const RHO_MODES = { none: 0, packed: 1, separate: 2 } as const;

const offset = (row: number, first = 0): number => (row < 0 ? -1 : (row - first) * ROW);

const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);

/** The kernels count on rows in order: a chain's tables one behind the other, and its products (e of two and more, then l). */
function chainFields(chain: GateChain, gate: GateLayout): number[] {
  const inOrder = chain.tables.every(
    (row, j) => row === chain.tables[0] + sum(chain.chunks.slice(0, j).map((t) => 2 ** t - 1)),
  );
  const products = [...chain.e, ...chain.l.flat()].filter((row) => row >= gate.masks + gate.openedRows);
  if (!inOrder || products.some((row, i) => row !== products[0] + i))
    throw new RangeError("the gate's rows are not in the order that the kernels have");
  return [
    chain.chunks.length,
    chain.from,
    chain.sent * ROW,
    (gate.masks + chain.sent) * ROW,
    products.length === 0 ? 0 : (products[0] - gate.lookUpRows) * ROW,
    (chain.tables[0] ?? 0) * ROW,
    ...chain.chunks,
  ];
}

const chainBytes = (chain: GateChain): number => 4 * (CHAIN_HEADER_FIELDS + chain.chunks.length);

/** Bytes that {@link writeGate} allocates at most. */
export const gateSpecBytes = (gate: GateLayout): number =>
  sum([GATE_SCRATCH_BYTES, 4 * HEADER_FIELDS, chainBytes(gate.high), chainBytes(gate.low)].map(allocationBytes));

/**
 * Writes the descriptor that the gate's kernels read. One per party and ring.
 * @param scratch {@link GATE_SCRATCH_BYTES} bytes; by default allocated here
 */
export function writeGate(
  ring: Ring,
  gate: GateLayout,
  party: 0 | 1,
  scratch = ring.alloc(GATE_SCRATCH_BYTES),
): number {
  const [high, low] = [gate.high, gate.low].map((chain) => {
    const fields = chainFields(chain, gate);
    const at = ring.alloc(chainBytes(chain));
    ring.i32(at, fields.length).set(fields);
    return at;
  });
  const spec = ring.alloc(4 * HEADER_FIELDS);
  ring
    .i32(spec, HEADER_FIELDS)
    .set([
      gate.function === "relu" ? 0 : 1,
      gate.width,
      gate.shift,
      gate.modulus,
      party,
      gate.blockBytes,
      gate.lookUpRows * ROW,
      gate.openedRows,
      offset(gate.top),
      offset(gate.sb, gate.lookUpRows),
      offset(gate.su, gate.lookUpRows),
      gate.selectRows,
      (gate.rows - gate.lookUpRows) * ROW,
      RHO_MODES[gate.rho],
      scratch,
      gate.blockBytes - gate.rows * ROW,
      high,
      low,
    ]);
  return spec;
}
