import {
  BLOCK_BYTES, CHAIN_CHUNKS, CHAIN_FROM, CHAIN_M, CHAIN_MASKS, CHAIN_SENT, CHAIN_TABLES, FUNCTION, HIGH, LOOK_UP_BYTES, LOW,
  OPENED_ROWS,
  PARTY, SCRATCH, SCRATCH_SUMS, SHIFT, TOP, WIDTH, begins, constantOne, field, groupSize,
} from "./gate-layout";
import { gateSlice } from "./gate-slice";
import { fetch } from "./memory";
import { openWords } from "./pack";
import { lookUp1, lookUp2, lookUp3, lookUp4, lookUp5, lookUp6, lookUp7, lookUp8 } from "../build/unrolled";

/** Of public t. Writes T[c] and T[c - 1]. */
function lookUp(t: i32, table: usize, c: usize, one: v128, out: usize): void {
  if (t == 6) lookUp6(table, c, one, out);
  else if (t == 5) lookUp5(table, c, one, out);
  else if (t == 4) lookUp4(table, c, one, out);
  else if (t == 3) lookUp3(table, c, one, out);
  else if (t == 7) lookUp7(table, c, one, out);
  else if (t == 2) lookUp2(table, c, one, out);
  else if (t == 1) lookUp1(table, c, one, out);
  else lookUp8(table, c, one, out);
}

/** Look-ups of one chain of one block: writes the sent rows, returns the share of lt_(m-1). */
function lookUpChain(chain: usize, block: usize, bits: usize, sent: usize, one: v128, out: usize): v128 {
  const m = field(chain, CHAIN_M);
  let c = bits + (field(chain, CHAIN_FROM) << 4);
  let table = block + field(chain, CHAIN_TABLES), chunk = chain + CHAIN_CHUNKS;
  let mask = block + field(chain, CHAIN_MASKS);
  sent += <usize>field(chain, CHAIN_SENT);
  const eqs = <usize>(m - 2) << 4; // eq_j lies as far behind lt_j
  for (let j = 0; j < m; j++) {
    const t = load<i32>(chunk);
    lookUp(t, table, c, one, out);
    chunk += 4;
    c += <usize>(t << 4);
    table += ((<usize>16) << (<usize>t)) - 16;
    const lt = v128.load(out);
    if (j < m - 1) v128.store(sent, v128.xor(lt, v128.load(mask)));
    if (j > 0) v128.store(sent + eqs, v128.xor(v128.xor(lt, v128.load(out, 16)), v128.load(mask + eqs)));
    sent += 16;
    mask += 16;
  }
  return v128.load(out);
}

/** Step 2 of one block. x: X. */
@inline function lookUpBlock(spec: usize, x: usize, block: usize, sent: usize, state: usize, scratch: usize, one: v128): void {
  const width = field(spec, WIDTH), shift = field(spec, SHIFT), relu = field(spec, FUNCTION) == 0;
  const out = scratch + SCRATCH_SUMS;
  gateSlice(x, scratch, width, relu && shift > 0 ? shift : -1);
  if (relu) {
    const lt = lookUpChain(<usize>field(spec, HIGH), block, scratch, sent, one, out);
    const top = v128.xor(lt, v128.load(block + field(spec, TOP)));
    v128.store(state, v128.xor(top, v128.andnot(one, v128.load(scratch + ((width - 1) << 4)))));
  }
  if (shift > 0) v128.store(state, lookUpChain(<usize>field(spec, LOW), block, scratch, sent, one, out), 16);
}

/**
 * Step 2 of the gate and this party's share of the opening of step 3, for all blocks.
 * x: opened words; blocks: correlations; sent: openedRows rows per block; state: two rows per block that gateFold needs.
 */
export function gateLookUp(spec: usize, x: usize, blocks: usize, sent: usize, state: usize, count: i32): void {
  lookUpAll(spec, x, 0, blocks, sent, state, count << 7);
}

/**
 * Completes the opening of X and does gateLookUp, block by block.
 * x: this party's share of X, which becomes X; peer: the other share as it travels; elements: of them, the other lanes of
 * the last block stay as they are.
 */
export function gateOpenLookUp(
  spec: usize, x: usize, peer: usize, blocks: usize, sent: usize, state: usize, elements: i32,
): void {
  lookUpAll(spec, x, peer, blocks, sent, state, elements);
}

/** peer: 0 where x is opened. */
function lookUpAll(spec: usize, x: usize, peer: usize, blocks: usize, sent: usize, state: usize, elements: i32): void {
  const scratch = <usize>field(spec, SCRATCH), one = constantOne(field(spec, PARTY));
  const sentBytes = <usize>field(spec, OPENED_ROWS) << 4;
  const blockBytes = <usize>field(spec, BLOCK_BYTES), bytes = <usize>field(spec, LOOK_UP_BYTES);
  const width = field(spec, WIDTH), bits = width == 62 ? 64 : width, count = (elements + 127) >> 7;
  let block: usize = 0;
  for (let n = 0; n < count; n++) {
    if (begins(n)) {
      const size = groupSize(n, count);
      block = blocks;
      blocks += size * blockBytes;
      fetch(block, size * bytes, <u32>count * <u32>blockBytes);
    }
    if (peer != 0) {
      openWords(x, peer, min(elements - (n << 7), 128), bits, width);
      peer += <usize>(bits << 4);
    }
    lookUpBlock(spec, x, block, sent, state, scratch, one);
    x += 1024;
    block += bytes;
    sent += sentBytes;
    state += 32;
  }
}
