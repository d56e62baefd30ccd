import { BLOCK, blocksOf } from "@parley/plan";
import type { GateKind, TableGate } from "@parley/plan";
import { GATE_GROUP, allocationBytes, gateSpecBytes, writeGate } from "@parley/ring";
import type { Ring } from "@parley/ring";

import { stepKey } from "./key-derivation.js";
import type { BatchKeys } from "./key-derivation.js";
import { Keystream } from "./keystream.js";

/** Largest piece of corrections. */
export const CHUNK_BYTES = 256 * 1024;

export interface DealRequest {
  /** Elements of each gate of the step, in order. */
  readonly counts: readonly number[];
  readonly keys: BatchKeys;
  /** Index into Plan.steps. */
  readonly step: number;
}

/** Deals the gates of one layout, P1's corrections in pieces that belong to the caller. Erases its work when it ends, or its reader goes. */
export type Deal = (request: DealRequest) => Generator<Uint8Array>;

/** The dealer's side of one kind of gate. A second kind implements the same. */
export interface GateDealer {
  /** Room in the ring for {@link prepare}, and for the work on one piece, which all gates share. */
  specBytes(gate: TableGate): number;
  workBytes(gate: TableGate): number;
  /** @param work where workBytes are: overwritten for each piece, so that batches may be dealt at the same time */
  prepare(ring: Ring, gate: TableGate, work: number): Deal;
}

/** Rows per block that the dealer draws: the masks of opened bits, s_b, s_u. */
const drawnBytes = (gate: TableGate): number => 16 * (gate.openedRows + gate.selectRows);

/** Blocks that are dealt to one piece: whole groups. */
const blocksAtOnce = (gate: TableGate): number =>
  Math.max(1, Math.floor(CHUNK_BYTES / (gate.blockBytes * GATE_GROUP))) * GATE_GROUP;

const R_BYTES = 8 * BLOCK;

/**
 * Protocol, section 5, offline. Each party's stream of the step holds, gate by gate, its shares of r and (P0) its blocks;
 * the dealer's own stream holds the masks' values. P1's blocks are the values less P0's shares.
 */
const tableDealer: GateDealer = {
  specBytes: gateSpecBytes,

  workBytes(gate) {
    const blocks = blocksAtOnce(gate);
    return allocationBytes((2 * R_BYTES + gate.blockBytes + drawnBytes(gate)) * blocks);
  },

  prepare(ring, gate, work) {
    const spec = writeGate(ring, gate, 0);
    const most = blocksAtOnce(gate);
    const perBlock = 2 * R_BYTES + gate.blockBytes + drawnBytes(gate);

    return function* ({ counts, keys, step }) {
      const r1 = new Keystream(stepKey(keys.key1, step));
      const drawn = new Keystream(stepKey(keys.dealerKey, step));
      const key0 = stepKey(keys.key0, step);
      let r0 = new Keystream(key0);
      let before = 0; // bytes of P0's stream that earlier gates took
      const room = Math.min(most, Math.max(0, ...counts.map(blocksOf)));
      const [r0At, r1At] = [work, work + R_BYTES * room];
      const blocksAt = r1At + R_BYTES * room;
      const drawnAt = blocksAt + gate.blockBytes * room;
      try {
        for (const count of counts) {
          const blocks = blocksOf(count);
          // What one group holds is read as it lies: P0's shares of r, then its blocks.
          const p0 = blocks <= most ? r0 : new Keystream(key0, before + R_BYTES * blocks);
          before += (R_BYTES + gate.blockBytes) * blocks;
          for (let done = 0; done < blocks; done += most) {
            const group = Math.min(most, blocks - done);
            r0.fill(ring.u8(r0At, R_BYTES * group));
            r1.fill(ring.u8(r1At, R_BYTES * group));
            drawn.fill(ring.u8(drawnAt, drawnBytes(gate) * group));
            // P0's blocks become P1's while they are in the cache.
            for (let n = 0; n < group; n += GATE_GROUP) {
              const some = Math.min(GATE_GROUP, group - n);
              const at = blocksAt + gate.blockBytes * n;
              p0.fill(ring.u8(at, gate.blockBytes * some));
              const rows = drawnAt + drawnBytes(gate) * n;
              ring.exports.gateDeal(spec, r0At + R_BYTES * n, r1At + R_BYTES * n, at, rows, at, some);
            }
            yield* pieces(copyOf(ring.u8(blocksAt, gate.blockBytes * group)));
          }
          if (p0 !== r0) r0 = new Keystream(key0, before);
        }
      } finally {
        ring.u8(work, perBlock * room).fill(0);
      }
    };
  },
};

/** Bytes in pieces that share their memory. */
export function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

/** A copy in memory of its own that was not zeroed before. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/** By the name that the plan gives. */
export const GATE_DEALERS: Record<GateKind, GateDealer> = { table: tableDealer };
