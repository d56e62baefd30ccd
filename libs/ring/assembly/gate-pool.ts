// Tournaments over windows, by lists of u32 indices within a record that the public plan gives.

/** x[r][k] += pool[r][a[k]] - pool[r][b[k]], mod 2^width. */
export function poolDifferences(
  x: usize,
  pool: usize,
  a: usize,
  b: usize,
  pairs: i32,
  records: i32,
  slots: i32,
  width: i32,
): void {
  const keep: u64 = ((<u64>1) << (<u64>width)) - 1;
  for (let r = 0; r < records; r++) {
    for (let k = 0; k < pairs; k++) {
      const left = load<u64>(pool + (load<u32>(a + (k << 2)) << 3)),
        right = load<u64>(pool + (load<u32>(b + (k << 2)) << 3));
      store<u64>(x, (load<u64>(x) + left - right) & keep);
      x += 8;
    }
    pool += (<usize>slots) << 3;
  }
}

/** pool[r][first + k] = pool[r][b[k]] + z[r][k]. */
export function poolWinners(pool: usize, z: usize, b: usize, first: i32, pairs: i32, records: i32, slots: i32): void {
  for (let r = 0; r < records; r++) {
    for (let k = 0; k < pairs; k++) {
      store<u64>(pool + ((<usize>first + k) << 3), load<u64>(pool + (load<u32>(b + (k << 2)) << 3)) + load<u64>(z));
      z += 8;
    }
    pool += (<usize>slots) << 3;
  }
}

/** pool[r][k] = x[r][k] for the first `count` slots of each record. */
export function poolLoad(pool: usize, x: usize, count: i32, records: i32, slots: i32): void {
  for (let r = 0; r < records; r++) {
    memory.copy(pool, x, (<usize>count) << 3);
    pool += (<usize>slots) << 3;
    x += (<usize>count) << 3;
  }
}

/** out[r][k] = pool[r][index[k]]. */
export function poolGather(out: usize, pool: usize, index: usize, count: i32, records: i32, slots: i32): void {
  for (let r = 0; r < records; r++) {
    for (let k = 0; k < count; k++) {
      store<u64>(out, load<u64>(pool + (load<u32>(index + (k << 2)) << 3)));
      out += 8;
    }
    pool += (<usize>slots) << 3;
  }
}
