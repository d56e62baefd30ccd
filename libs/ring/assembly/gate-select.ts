import {
  BLOCK_BYTES, FUNCTION, MODULUS, PARTY, RHO, SELECT_ROWS, SHIFT, WIDTH, WORDS, field,
} from "./gate-layout";
import { elementMasks, pairMask } from "./gate-masks";

// Constants of a gate while a kernel runs.
let width: i32 = 0, shift: i32 = 0, modulus: i32 = 0, rho: i32 = 0, party: i32 = 0;

@inline function readSpec(spec: usize): void {
  width = field(spec, WIDTH);
  shift = field(spec, SHIFT);
  modulus = field(spec, MODULUS);
  rho = field(spec, RHO);
  party = field(spec, PARTY);
}

/** The share of C (or of s_b C) with the wrap undone where bit w-1 of X is 0 (mask `wrap`). */
@inline function unwrap(c: v128, separate: usize, wrap: v128): v128 {
  if (rho == 0) return c;
  const bits = rho == 1 ? i64x2.shr_u(c, modulus) : v128.load(separate);
  return i64x2.sub(c, v128.and(i64x2.shl(bits, width - shift), wrap));
}

/** z of two elements of a ReLU (step 6). a: words of the pair in the first array; bm, um: bhat and uhat as masks. */
@inline function reluPair(x: v128, a: usize, bm: v128, um: v128): v128 {
  const q = i64x2.add(i64x2.shr_u(x, shift), um);
  const wrap = i64x2.sub(i64x2.shr_u(x, width - 1), i64x2.splat(1));
  let c = v128.load(a, 1024), g: v128;
  if (shift > 0) {
    c = v128.bitselect(v128.load(a, 2048), c, um);
    g = v128.bitselect(v128.load(a, 4096), v128.load(a, 3072), um);
    c = unwrap(c, a + 5120, wrap);
    g = unwrap(g, a + 6144, wrap);
  } else {
    g = v128.load(a, 2048);
    c = unwrap(c, a + 3072, wrap);
    g = unwrap(g, a + 4096, wrap);
  }
  const t = i64x2.sub(i64x2.mul(q, v128.load(a)), g);
  const signed = i64x2.sub(v128.xor(t, bm), bm);
  const z = i64x2.sub(signed, v128.and(c, bm));
  return party == 0 ? i64x2.add(z, v128.and(q, bm)) : z;
}

/** z of two elements of a truncation; offset: 2^(w-2-g) at P0. */
@inline function truncatePair(x: v128, a: usize, um: v128, offset: v128): v128 {
  const wrap = i64x2.sub(i64x2.shr_u(x, width - 1), i64x2.splat(1));
  const c = unwrap(v128.bitselect(v128.load(a, 1024), v128.load(a), um), a + 2048, wrap);
  if (party != 0) return i64x2.neg(c);
  return i64x2.sub(i64x2.sub(i64x2.add(i64x2.shr_u(x, shift), um), offset), c);
}

/**
 * Step 6 of the gate: this party's shares of z (words, modulo 2^modulus) for all blocks.
 * x: opened words; own, peer: the rows of step 5.
 */
export function gateSelect(spec: usize, x: usize, blocks: usize, own: usize, peer: usize, z: usize, count: i32): void {
  readSpec(spec);
  const relu = field(spec, FUNCTION) == 0;
  const rowBytes = <usize>field(spec, SELECT_ROWS) << 4;
  const offset = i64x2.splat(relu ? 0 : (<i64>1) << (<i64>(width - 2 - shift)));
  for (let n = 0; n < count; n++) {
    const b = relu ? v128.xor(v128.load(own), v128.load(peer)) : i32x4.splat(0);
    const u = shift > 0 ? v128.xor(v128.load(own + rowBytes - 16), v128.load(peer + rowBytes - 16)) : i32x4.splat(0);
    let a = blocks + field(spec, WORDS);
    for (let i = 0; i < 16; i++) {
      const bm = elementMasks(b, i), um = elementMasks(u, i);
      if (relu) {
        v128.store(z, reluPair(v128.load(x), a, pairMask(bm, 0), pairMask(um, 0)));
        v128.store(z, reluPair(v128.load(x, 16), a + 16, pairMask(bm, 1), pairMask(um, 1)), 16);
        v128.store(z, reluPair(v128.load(x, 32), a + 32, pairMask(bm, 2), pairMask(um, 2)), 32);
        v128.store(z, reluPair(v128.load(x, 48), a + 48, pairMask(bm, 3), pairMask(um, 3)), 48);
      } else {
        v128.store(z, truncatePair(v128.load(x), a, pairMask(um, 0), offset));
        v128.store(z, truncatePair(v128.load(x, 16), a + 16, pairMask(um, 1), offset), 16);
        v128.store(z, truncatePair(v128.load(x, 32), a + 32, pairMask(um, 2), offset), 32);
        v128.store(z, truncatePair(v128.load(x, 48), a + 48, pairMask(um, 3), offset), 48);
      }
      x += 64;
      a += 64;
      z += 64;
    }
    blocks += field(spec, BLOCK_BYTES);
    own += rowBytes;
    peer += rowBytes;
  }
}
