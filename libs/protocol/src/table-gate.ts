import { blocksOf, BLOCK, gateDemand } from "@parley/plan";
import type { GateKind, TableGate } from "@parley/plan";
import { GATE_SCRATCH_BYTES, gateSpecBytes, writeGate } from "@parley/ring";

import type { Region } from "./arena.js";
import type { PartyCorrelations } from "./correlations.js";
import type { Context, Open } from "./program.js";

/** One gate of a session: `count` elements that are compared at the same time. A second kind implements the same. */
export interface OnlineGate {
  /** Draws the gate's correlated randomness for a step of the plan. */
  expand(part: PartyCorrelations, step: number): Promise<void>;
  /** Shares of z, words, once the last opening is complete. */
  readonly z: Region;
  /** Openings in order. */
  readonly opens: readonly Open[];
}

export interface GateRequest {
  readonly context: Context;
  readonly step: number;
  readonly gate: TableGate;
  readonly count: number;
  /** Where the shares of z go: words, whole blocks. */
  readonly z: Region;
  /** Adds this party's share of y to the `count` words at x (its share of r) and writes the sums packed to `out`. */
  share(x: number, out: number): void;
}

/** Bits in which a value of `width` bits is packed. */
export const packedWidth = (width: number): number => (width === 62 ? 64 : width);

/**
 * Protocol, section 5, one party's side, for all elements at once.
 *
 * Offline: a share of r mod 2^w, and per block of 128 elements XOR shares of tables, masks and their products, and
 * additive words. A truncation adds 2^(w-2) to y, which P0 does in its share of r.
 * 1. x: open X = y + r mod 2^w. Reveals nothing: r is uniform and used once.
 * 2. Look up <lt_j>, <eq_j> in the tables at the public chunks of X2 = X - 2^g (high) and of X (low).
 * 3. bits: open lt_j, eq_j xor their masks, each mask used once.
 * 4. Fold the opened bits with the products of masks: <b>, <u>.
 * 5. select: open bhat = b xor s_b, uhat = u xor s_u.
 * 6. [z] from X, bhat, uhat and the words.
 */
function onlineTableGate({ context, step, gate, count, z, share }: GateRequest): OnlineGate {
  const { arena, party } = context;
  const blocks = blocksOf(count);
  const x = arena.reserve(8 * BLOCK * blocks);
  const part = arena.reserve(gateDemand(gate, count).corrections);
  const state = arena.reserve(32 * blocks);
  const bias = arena.fix(8, (ring, at) => {
    if (gate.function === "truncate") ring.u64(at, 1)[0] = 1n << BigInt(gate.width - 2);
  });
  const scratch = arena.reserve(GATE_SCRATCH_BYTES);
  let spec = 0;
  arena.fixWith(gateSpecBytes(gate), (ring) => (spec = writeGate(ring, gate, party, scratch.at)));
  const opened = { own: 0, peer: 0 };
  let peerX = 0;

  const handlers: Record<"x" | "bits" | "select", Pick<Open, "share" | "complete">> = {
    x: {
      share: (out) => share(x.at, out),
      // The look-up, which follows at once, completes X block by block.
      complete: (_own, peer) => (peerX = peer),
    },
    bits: {
      share: (out) => arena.ring.exports.gateOpenLookUp(spec, x.at, peerX, part.at, out, state.at, count),
      complete(own, peer) {
        opened.own = own;
        opened.peer = peer;
      },
    },
    select: {
      share(out) {
        const kernels = arena.ring.exports;
        // Chains of one chunk open no bits: the look-up is all there is to do.
        if (gate.openedRows === 0) kernels.gateOpenLookUp(spec, x.at, peerX, part.at, out, state.at, count);
        kernels.gateFold(spec, part.at, opened.own, opened.peer, state.at, out, blocks);
      },
      complete: (own, peer) => arena.ring.exports.gateSelect(spec, x.at, part.at, own, peer, z.at, blocks),
    },
  };

  return {
    z,
    opens: gate.openings.map(({ what }) => ({
      kind: "open",
      step,
      opening: context.nextOpening(step, what),
      ...(what === "x" && { reads: [x, part] }),
      ...handlers[what],
    })),
    async expand(source, index) {
      const { ring } = arena;
      source.own(index, ring.u8(x.at, x.bytes));
      // Lanes beyond the inputs are X = 0 at both parties; their masks stay unused.
      ring.u8(x.at + 8 * count, x.bytes - 8 * count).fill(0);
      if (party === 0) source.own(index, ring.u8(part.at, part.bytes));
      else await source.corrections(ring.u8(part.at, part.bytes));
      if (party === 0 && gate.function === "truncate") ring.exports.addPerChannel(x.at, bias.at, 1, count);
    },
  };
}

/** Kinds of gates, by the name that the plan gives. */
export const GATES: Record<GateKind, (request: GateRequest) => OnlineGate> = { table: onlineTableGate };
