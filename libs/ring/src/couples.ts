/** Pairs (a[k], b[k]) of slots of a record that are compared at the same time. */
export interface Pairs {
  readonly a: ArrayLike<number>;
  readonly b: ArrayLike<number>;
}

/** Pairs of neighbours as the kernels of couples read them. */
export interface Couples {
  /** Per run of couples: slots of the first couple's two pairs, distance to the next couple's, number of couples. */
  readonly runs: Uint32Array;
  /** Slot of a last pair without a couple, or -1. */
  readonly last: number;
}

/** A run has its own overhead: shorter ones, on average, are not worth it. */
const SHORTEST_RUN = 4;
const FIELDS = 4;

/** The pairs as couples, where all are neighbours (b = a + 1) in runs of some length; else undefined. Sees public indices only. */
export function couplesOf({ a, b }: Pairs): Couples | undefined {
  const count = a.length;
  for (let k = 0; k < count; k++) if (b[k] !== a[k] + 1) return undefined;
  const runs: number[] = [];
  for (let k = 0; k + 1 < count;) {
    const step = k + 3 < count ? a[k + 2] - a[k] : 0;
    const first = k;
    k += 2;
    while (step > 0 && k + 1 < count && a[k] - a[k - 2] === step && a[k + 1] - a[k - 1] === step) k += 2;
    runs.push(a[first], a[first + 1], Math.max(step, 0), (k - first) / 2);
  }
  if (runs.length > 0 && count / 2 < SHORTEST_RUN * (runs.length / FIELDS)) return undefined;
  return { runs: Uint32Array.from(runs), last: count % 2 === 1 ? a[count - 1] : -1 };
}
