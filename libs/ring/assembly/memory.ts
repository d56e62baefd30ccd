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

/** Gates of fewer bytes are fetched by who waits for the peer. */
const FEW: u32 = 512 * 1024;

/**
 * {@link touch} for a group of blocks of a large gate of `all` bytes: reads in a row wait for memory together, those between
 * a kernel's work do not.
 */
@inline export function fetch(at: usize, bytes: usize, all: u32): void {
  if (all > FEW) touch(at, bytes);
}
