// The descriptor of a gate's layout that TypeScript writes into memory (src/gate.ts): 32-bit fields.
// Blocks lie in groups of eight, the last group maybe smaller: in a group first the rows that the look-ups read of all its blocks
// (tables, masks, top), then those of the folds (products, s_b, s_u), then the words. Row offsets are bytes from the start of
// the block's part of that kind.

@inline export const FUNCTION: usize = 0; // 0 relu, 1 truncate
@inline export const WIDTH: usize = 4;
@inline export const SHIFT: usize = 8;
@inline export const MODULUS: usize = 12;
@inline export const PARTY: usize = 16;
@inline export const BLOCK_BYTES: usize = 20; // of the three parts of a block together
@inline export const LOOK_UP_BYTES: usize = 24;
@inline export const OPENED_ROWS: usize = 28;
@inline export const TOP: usize = 32; // -1: none
@inline export const SB: usize = 36; // -1: none
@inline export const SU: usize = 40; // -1: none
@inline export const SELECT_ROWS: usize = 44;
@inline export const FOLD_BYTES: usize = 48;
@inline export const RHO: usize = 52; // 0 none, 1 packed, 2 separate
@inline export const SCRATCH: usize = 56; // pointer to the scratch memory
@inline export const WORDS_BYTES: usize = 60;
@inline export const HIGH: usize = 64; // pointer to the chain
@inline export const LOW: usize = 68; // pointer to the chain

// A chain: m, first bit, offset of its first sent row, offset of its masks, offset of its first row of products, offset of its
// first table (the others follow), then the bits t of each of at most 8 chunks. Products lie in order: those of two and more
// eq by subset, then per j those of lt_j with each subset but the empty one.
@inline export const CHAIN_M: usize = 0;
@inline export const CHAIN_FROM: usize = 4;
@inline export const CHAIN_SENT: usize = 8;
@inline export const CHAIN_MASKS: usize = 12;
@inline export const CHAIN_PRODUCTS: usize = 16;
@inline export const CHAIN_TABLES: usize = 20;
@inline export const CHAIN_CHUNKS: usize = 24;

// Scratch: 64 rows of bits, then 64 rows of sums, then 1 block of words.
@inline export const SCRATCH_SUMS: usize = 1024;
@inline export const SCRATCH_WORDS: usize = 2048;

/** Blocks of a group. */
@inline export const GROUP: i32 = 8;

/** Blocks of the group that begins with block n of `count`. */
@inline export function groupSize(n: i32, count: i32): usize {
  return <usize>min(count - n, GROUP);
}

@inline export function begins(n: i32): bool {
  return (n & (GROUP - 1)) == 0;
}

@inline export function field(spec: usize, offset: usize): i32 {
  return load<i32>(spec + offset);
}

/** Constant shared as P0's ones and P1's zeros. */
@inline export function constantOne(party: i32): v128 {
  return party == 0 ? i32x4.splat(-1) : i32x4.splat(0);
}
