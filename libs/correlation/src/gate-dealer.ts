import { BLOCK, blocksOf } from "@parley/plan";
import type { GateKind, TableGate } from "@parley/plan";
import { allocationBytes, gateSpecBytes, writeGate } from "@parley/ring";
import type { Ring } from "@parley/ring";

import { stepKey } from "./key-derivation.js";
import type { BatchKeys } from "./key-derivation.js";
import { Keystream } from "./keystream.js";

/** Largest piece of corrections. */
export const CHUNK_BYTES = 256 * 1024;

export interface DealRequest {
  /** Has workBytes free above its present mark. */
  readonly ring: Ring;
  readonly gate: TableGate;
  /** Elements of each gate of the step, in order. */
  readonly counts: readonly number[];
  readonly keys: BatchKeys;
  /** Index into Plan.steps. */
  readonly step: number;
}

/** The dealer's side of one kind of gate. A second kind implements the same. */
export interface GateDealer {
  /** Room that deal() needs in the ring between two pieces. */
  workBytes(gate: TableGate): number;
  /** P1's corrections, in pieces that belong to the caller. Nothing is kept in the ring from one piece to the next. */
  deal(request: DealRequest): Generator<Uint8Array>;
}

/** Rows per block that the dealer draws: the masks of opened bits, s_b, s_u. */
const drawnBytes = (gate: TableGate): number => 16 * (gate.openedRows + gate.selectRows);

const groupBlocks = (gate: TableGate): number => Math.max(1, Math.floor(CHUNK_BYTES / gate.blockBytes));

/** Places in the ring for a group of blocks. */
function work(ring: Ring, gate: TableGate, blocks: number) {
  return {
    spec: writeGate(ring, gate, 0),
    r0: ring.alloc(8 * BLOCK * blocks),
    r1: ring.alloc(8 * BLOCK * blocks),
    p0: ring.alloc(gate.blockBytes * blocks),
    drawn: ring.alloc(drawnBytes(gate) * blocks),
    out: ring.alloc(gate.blockBytes * blocks),
  };
}

/**
 * Protocol, section 5, offline. Each party's stream of the step holds, gate by gate, its shares of r and (P0) its blocks;
 * the dealer's own stream holds the masks' values. P1's blocks are the values less P0's shares.
 */
const tableDealer: GateDealer = {
  workBytes(gate) {
    const blocks = groupBlocks(gate);
    return (
      gateSpecBytes(gate) +
      2 * allocationBytes(8 * BLOCK * blocks) +
      2 * allocationBytes(gate.blockBytes * blocks) +
      allocationBytes(drawnBytes(gate) * blocks)
    );
  },

  *deal({ ring, gate, counts, keys, step }) {
    const mark = ring.mark();
    const r1 = new Keystream(stepKey(keys.key1, step));
    const drawn = new Keystream(stepKey(keys.dealerKey, step));
    let before = 0; // bytes of P0's stream that earlier gates took
    for (const count of counts) {
      const blocks = blocksOf(count);
      const rBytes = 8 * BLOCK * blocks;
      const r0 = new Keystream(stepKey(keys.key0, step), before);
      const p0 = new Keystream(stepKey(keys.key0, step), before + rBytes);
      before += rBytes + blocks * gate.blockBytes;
      for (let done = 0; done < blocks;) {
        const n = Math.min(groupBlocks(gate), blocks - done);
        const at = work(ring, gate, n);
        r0.fill(ring.u8(at.r0, 8 * BLOCK * n));
        r1.fill(ring.u8(at.r1, 8 * BLOCK * n));
        p0.fill(ring.u8(at.p0, gate.blockBytes * n));
        drawn.fill(ring.u8(at.drawn, drawnBytes(gate) * n));
        ring.exports.gateDeal(at.spec, at.r0, at.r1, at.p0, at.drawn, at.out, n);
        const out = ring.u8(at.out, gate.blockBytes * n).slice();
        ring.release(mark);
        yield out;
        done += n;
      }
    }
  },
};

/** By the name that the plan gives. */
export const GATE_DEALERS: Record<GateKind, GateDealer> = { table: tableDealer };
