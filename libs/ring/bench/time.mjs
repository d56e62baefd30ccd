const WARM_UP_MS = 100;
const BATCHES = 7;
const BATCH_MS = 20;

/** Milliseconds of one call: the best and the median of batches, each long enough for the clock. */
export function time(call) {
  // Until the engine has compiled at its highest tier.
  for (const end = performance.now() + WARM_UP_MS; performance.now() < end;) call();
  let calls = 1;
  for (let took = 0; took < BATCH_MS; calls *= 2) {
    const started = performance.now();
    for (let i = 0; i < calls; i++) call();
    took = performance.now() - started;
  }
  const times = Array.from({ length: BATCHES }, () => {
    const started = performance.now();
    for (let i = 0; i < calls; i++) call();
    return (performance.now() - started) / calls;
  }).sort((a, b) => a - b);
  return { best: times[0], median: times[BATCHES >> 1] };
}
