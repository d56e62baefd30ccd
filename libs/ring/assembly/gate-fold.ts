import {
  BLOCK_BYTES, CHAIN_M, CHAIN_MASKS, CHAIN_PRODUCTS, CHAIN_SENT, FOLD_BYTES, FUNCTION, HIGH, LOOK_UP_BYTES, LOW, OPENED_ROWS,
  PARTY, SB, SCRATCH, SCRATCH_SUMS, SELECT_ROWS, SHIFT, SU, begins, constantOne, field, groupSize,
} from "./gate-layout";
import { fetch } from "./memory";
import {
  fold1, fold1First, fold2, fold2First, fold4, fold4First, fold8, fold8First, fold16, fold16First, fold32, fold32First,
  fold64First,
} from "../build/unrolled";

/** Of public half: 2 * half sums, which the first level has not yet, become half. */
@inline function fold(first: bool, half: usize, eqs: usize, e: usize, l: usize, mask: v128, lt: v128, eq: v128, one: v128, sums: usize): void {
  if (half == 1) {
    if (first) fold1First(eqs, e, l, mask, lt, eq, one, sums);
    else fold1(eqs, e, l, mask, lt, eq, one, sums);
  } else if (half == 2) {
    if (first) fold2First(eqs, e, l, mask, lt, eq, one, sums);
    else fold2(eqs, e, l, mask, lt, eq, one, sums);
  } else if (half == 4) {
    if (first) fold4First(eqs, e, l, mask, lt, eq, one, sums);
    else fold4(eqs, e, l, mask, lt, eq, one, sums);
  } else if (half == 8) {
    if (first) fold8First(eqs, e, l, mask, lt, eq, one, sums);
    else fold8(eqs, e, l, mask, lt, eq, one, sums);
  } else if (half == 16) {
    if (first) fold16First(eqs, e, l, mask, lt, eq, one, sums);
    else fold16(eqs, e, l, mask, lt, eq, one, sums);
  } else if (half == 32) {
    if (first) fold32First(eqs, e, l, mask, lt, eq, one, sums);
    else fold32(eqs, e, l, mask, lt, eq, one, sums);
  } else fold64First(eqs, e, l, mask, lt, eq, one, sums);
}

/** lt_j AND eq_(j+1) .. eq_(m-1), summed over j < m-1: shares from the opened bits and the products of their masks. */
function foldChain(chain: usize, looked: usize, folded: usize, own: usize, peer: usize, one: v128, sums: usize): v128 {
  const m = field(chain, CHAIN_M);
  if (m < 2) return i32x4.splat(0);
  const sent = <usize>field(chain, CHAIN_SENT), eqs = <usize>(m - 1) << 4;
  own += sent;
  peer += sent;
  let mask = looked + field(chain, CHAIN_MASKS);
  const e = folded + field(chain, CHAIN_PRODUCTS);
  let half = (<usize>1) << (<usize>(m - 2));
  let l = e + ((2 * half - <usize>m) << 4);
  for (let j = 0; half > 0; j++) {
    const lt = v128.xor(v128.load(own), v128.load(peer)), eq = v128.xor(v128.load(own + eqs), v128.load(peer + eqs));
    if (j == 0) fold(true, half, mask + eqs, e, l, v128.load(mask), lt, eq, one, sums);
    else fold(false, half, mask + eqs, e, l, v128.load(mask), lt, eq, one, sums);
    own += 16;
    peer += 16;
    mask += 16;
    l += (2 * half - 1) << 4;
    half >>= 1;
  }
  return v128.load(sums);
}

/**
 * Step 4 of the gate and this party's share of the opening of step 5, for all blocks.
 * own, peer: the rows of step 3; state: of gateLookUp; select: selectRows rows per block, bhat first.
 */
export function gateFold(spec: usize, blocks: usize, own: usize, peer: usize, state: usize, select: usize, count: i32): void {
  const sums = <usize>field(spec, SCRATCH) + SCRATCH_SUMS;
  const one = constantOne(field(spec, PARTY));
  const sentBytes = <usize>field(spec, OPENED_ROWS) << 4, selectBytes = <usize>field(spec, SELECT_ROWS) << 4;
  const relu = field(spec, FUNCTION) == 0, low = field(spec, SHIFT) > 0;
  const high = <usize>field(spec, HIGH), lower = <usize>field(spec, LOW), blockBytes = <usize>field(spec, BLOCK_BYTES);
  const lookUpBytes = <usize>field(spec, LOOK_UP_BYTES), bytes = <usize>field(spec, FOLD_BYTES);
  let looked: usize = 0, folded: usize = 0;
  for (let n = 0; n < count; n++) {
    if (begins(n)) {
      const size = groupSize(n, count);
      looked = blocks;
      folded = blocks + size * lookUpBytes;
      blocks += size * blockBytes;
      fetch(folded, size * bytes, <u32>count * <u32>blockBytes);
    }
    if (relu) {
      const borrow = foldChain(high, looked, folded, own, peer, one, sums);
      v128.store(select, v128.xor(v128.xor(borrow, v128.load(state)), v128.load(folded + field(spec, SB))));
    }
    if (low) {
      const u = foldChain(lower, looked, folded, own, peer, one, sums);
      v128.store(select + selectBytes - 16, v128.xor(v128.xor(u, v128.load(state, 16)), v128.load(folded + field(spec, SU))));
    }
    looked += lookUpBytes;
    folded += bytes;
    own += sentBytes;
    peer += sentBytes;
    state += 32;
    select += selectBytes;
  }
}
