/** Median, 95th and 99th percentile (nearest rank) of milliseconds, rounded to microseconds. */
export function quantiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q) => Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] * 1000) / 1000;
  return { median: at(0.5), p95: at(0.95), p99: at(0.99) };
}
