/** Rounded to microseconds. */
export const ms = (value) => Math.round(value * 1000) / 1000;

/** The q-quantile (nearest rank) of values, which need not be sorted. */
export function quantile(values, q) {
  if (!values.length) throw new RangeError("there is no quantile of no values");
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))];
}

export const median = (values) => quantile(values, 0.5);

/** Median, 95th and 99th percentile of milliseconds. */
export const quantiles = (values) => ({
  median: ms(median(values)),
  p95: ms(quantile(values, 0.95)),
  p99: ms(quantile(values, 0.99)),
});

export const sum = (values) => values.reduce((a, b) => a + b, 0);
