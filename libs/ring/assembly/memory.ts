/** First byte that the module itself does not use. */
export function heapBase(): i32 {
  return i32(__heap_base);
}

const LINE: usize = 64;

/**
 * Reads one byte of each cache line of a range, so that it is near when it is used. The result is of no use: it is there
 * so that no optimiser leaves the reads out, and tells as much about the memory as any of it.
 */
export function touch(at: usize, bytes: usize): i32 {
  const end = at + bytes;
  let a: i32 = 0, b: i32 = 0;
  at &= ~(LINE - 1);
  for (; at + 3 * LINE < end; at += 4 * LINE) {
    a ^= load<u8>(at) ^ load<u8>(at, LINE);
    b ^= load<u8>(at, 2 * LINE) ^ load<u8>(at, 3 * LINE);
  }
  for (; at < end; at += LINE) a ^= load<u8>(at);
  return a ^ b;
}

/** Gates whose blocks are smaller in all than this are fetched by who waits for the peer; see touch. */
const FEW: u32 = 512 * 1024;

/** Blocks that are fetched at once: reads in a row wait for memory together, those between a kernel's work do not. */
const AHEAD = 8;

function touchBlocks(at: usize, bytes: usize, stride: usize, blocks: i32): i32 {
  let all: i32 = 0;
  for (let n = 0; n < blocks; n++) {
    all ^= touch(at, bytes);
    at += stride;
  }
  return all;
}

/** Called before each of a large gate's blocks, n of `count`: fetches `bytes` of this one and those after it, now and then. */
@inline export function fetchBlocks(n: i32, count: i32, at: usize, bytes: usize, stride: usize): void {
  if ((n & (AHEAD - 1)) == 0 && <u32>count * <u32>stride > FEW) touchBlocks(at, bytes, stride, min(count - n, AHEAD));
}
