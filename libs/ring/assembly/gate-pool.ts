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

// Pairs of neighbours, two at a time: where b[k] = a[k] + 1 for all pairs, as in windows of even width that do not overlap. A run
// of couples is four u32: slots of the first couple's two pairs, how far the next couple's are, how many couples.

/** x[r][k] += from[r][a[k]] - from[r][a[k] + 1]. last: a of a pair without a couple, or -1. */
export function poolCoupleDifferences(
  x: usize,
  from: usize,
  runs: usize,
  count: i32,
  last: i32,
  records: i32,
  stride: i32,
): void {
  for (let r = 0; r < records; r++) {
    for (let i = 0; i < count; i++) {
      const run = runs + (<usize>i << 4), step = <usize>load<u32>(run, 8) << 3;
      let first = from + (<usize>load<u32>(run) << 3), second = from + (<usize>load<u32>(run, 4) << 3);
      for (let n = load<u32>(run, 12); n > 0; n--) {
        const p = v128.load(first), q = v128.load(second);
        const d = i64x2.sub(v128.shuffle<i64>(p, q, 0, 2), v128.shuffle<i64>(p, q, 1, 3));
        v128.store(x, i64x2.add(v128.load(x), d));
        x += 16;
        first += step;
        second += step;
      }
    }
    if (last >= 0) {
      const at = from + (<usize>last << 3);
      store<u64>(x, load<u64>(x) + load<u64>(at) - load<u64>(at, 8));
      x += 8;
    }
    from += <usize>stride << 3;
  }
}

/** out[r][k] = from[r][a[k] + 1] + z[r][k]. */
export function poolCoupleWinners(
  out: usize,
  outStride: i32,
  from: usize,
  stride: i32,
  z: usize,
  runs: usize,
  count: i32,
  last: i32,
  records: i32,
): void {
  for (let r = 0; r < records; r++) {
    let to = out;
    for (let i = 0; i < count; i++) {
      const run = runs + (<usize>i << 4), step = <usize>load<u32>(run, 8) << 3;
      let first = from + (<usize>load<u32>(run) << 3), second = from + (<usize>load<u32>(run, 4) << 3);
      for (let n = load<u32>(run, 12); n > 0; n--) {
        const odd = v128.shuffle<i64>(v128.load(first), v128.load(second), 1, 3);
        v128.store(to, i64x2.add(odd, v128.load(z)));
        to += 16;
        z += 16;
        first += step;
        second += step;
      }
    }
    if (last >= 0) {
      store<u64>(to, load<u64>(from + (<usize>last << 3), 8) + load<u64>(z));
      z += 8;
    }
    from += <usize>stride << 3;
    out += <usize>outStride << 3;
  }
}
