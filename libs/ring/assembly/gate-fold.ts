import {
  BLOCK_BYTES, CHAIN_M, CHAIN_PRODUCTS, CHAIN_SENT, FUNCTION, HIGH, LOW, OPENED_ROWS, PARTY, SB, SCRATCH, SCRATCH_SUMS,
  SELECT_ROWS, SHIFT, SU, constantOne, field,
} from "./gate-layout";

@inline function hat(own: usize, peer: usize, row: i32): v128 {
  return v128.xor(v128.load(own + (row << 4)), v128.load(peer + (row << 4)));
}

/** lt_j AND eq_(j+1) .. eq_(m-1), summed over j < m-1: shares from the opened bits and the products of their masks. */
function foldChain(chain: usize, block: usize, own: usize, peer: usize, one: v128, sums: usize): v128 {
  const m = field(chain, CHAIN_M);
  if (m < 2) return i32x4.splat(0);
  own += <usize>field(chain, CHAIN_SENT);
  peer += <usize>field(chain, CHAIN_SENT);
  const e = chain + CHAIN_PRODUCTS;
  let l = e + ((<usize>4) << (<usize>(m - 1)));
  for (let j = 0; j < m - 1; j++) {
    const size = 1 << (m - 1 - j), half = size >> 1;
    const lt = hat(own, peer, j), eq = hat(own, peer, m - 1 + j);
    for (let s = 0; s < half; s++) {
      const top = s + half;
      const e0 = s == 0 ? one : v128.load(block + load<i32>(e + (s << 2)));
      let a = v128.xor(v128.and(lt, e0), v128.load(block + load<i32>(l + (s << 2))));
      let b = v128.xor(v128.and(lt, v128.load(block + load<i32>(e + (top << 2)))), v128.load(block + load<i32>(l + (top << 2))));
      if (j > 0) {
        a = v128.xor(a, v128.load(sums + (s << 4)));
        b = v128.xor(b, v128.load(sums + (top << 4)));
      }
      v128.store(sums + (s << 4), v128.xor(v128.and(a, eq), b));
    }
    l += <usize>(size << 2);
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
  for (let n = 0; n < count; n++) {
    if (relu) {
      const borrow = foldChain(<usize>field(spec, HIGH), blocks, own, peer, one, sums);
      v128.store(select, v128.xor(v128.xor(borrow, v128.load(state)), v128.load(blocks + field(spec, SB))));
    }
    if (low) {
      const u = foldChain(<usize>field(spec, LOW), blocks, own, peer, one, sums);
      v128.store(select + selectBytes - 16, v128.xor(v128.xor(u, v128.load(state, 16)), v128.load(blocks + field(spec, SU))));
    }
    blocks += field(spec, BLOCK_BYTES);
    own += sentBytes;
    peer += sentBytes;
    state += 32;
    select += selectBytes;
  }
}
