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

/** Layout of a gate, as TableGate of `@parley/plan`. */
export interface GateLayout {
  readonly function: "relu" | "truncate";
  readonly width: number;
  readonly shift: number;
  readonly modulus: number;
  readonly high: GateChain;
  readonly low: GateChain;
  readonly masks: number;
  readonly openedRows: number;
  readonly top: number;
  readonly sb: number;
  readonly su: number;
  readonly selectRows: number;
  readonly rows: number;
  readonly rho: "none" | "packed" | "separate";
  readonly blockBytes: number;
}

const ROW = 16;
const SCRATCH_BYTES = 6144 + 256 * ROW;
const HEADER_FIELDS = 18;
const CHAIN_HEADER_FIELDS = 20;
const RHO_MODES = { none: 0, packed: 1, separate: 2 } as const;

const offset = (row: number): number => (row < 0 ? -1 : row * ROW);

const chainFields = (chain: GateChain): number[] => [
  chain.chunks.length,
  chain.from,
  chain.sent * ROW,
  0,
  ...Array.from({ length: 8 }, (_, j) =>
    j < chain.chunks.length ? [chain.chunks[j], offset(chain.tables[j])] : [0, 0],
  ).flat(),
  ...(chain.chunks.length < 2 ? [] : [...chain.e, ...chain.l.flat()].map(offset)),
];

const fieldsOf = (chain: GateChain): number =>
  CHAIN_HEADER_FIELDS + (chain.chunks.length < 2 ? 0 : chain.e.length + chain.l.flat().length);

/** Bytes that {@link writeGate} allocates at most. */
export const gateSpecBytes = (gate: GateLayout): number =>
  SCRATCH_BYTES + 4 * (HEADER_FIELDS + fieldsOf(gate.high) + fieldsOf(gate.low)) + 8 * ROW;

/** Writes the descriptor that the gate's kernels read, and its scratch memory. One per party and ring. */
export function writeGate(ring: Ring, gate: GateLayout, party: 0 | 1): number {
  const scratch = ring.alloc(SCRATCH_BYTES);
  const [high, low] = [gate.high, gate.low].map((chain) => {
    const fields = chainFields(chain);
    const at = ring.alloc(4 * fields.length);
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
      gate.masks * ROW,
      gate.openedRows,
      offset(gate.top),
      offset(gate.sb),
      offset(gate.su),
      gate.selectRows,
      gate.rows * ROW,
      RHO_MODES[gate.rho],
      scratch,
      0,
      high,
      low,
    ]);
  return spec;
}
