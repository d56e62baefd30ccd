export const maximum = (values) => values.reduce((a, b) => (b > a ? b : a));

/** Median and 95th percentile (nearest rank), rounded to microseconds. */
export function quantiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q) => Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] * 1000) / 1000;
  return { median: at(0.5), p95: at(0.95) };
}

/** The figures of one network over its images. Messages and bytes are per image and the same for all. */
export function summarise(name, runs) {
  return {
    name,
    images: runs.length,
    correct: runs.filter((r) => r.predicted === r.label).length,
    labelsEqual: runs.every((r) => r.predicted === r.plaintext),
    logitsEqual: runs.every((r) => r.logitsEqual),
    maxProbabilityDifference: maximum(runs.map((r) => r.difference)),
    onlineMs: quantiles(runs.map((r) => r.onlineMs)),
    offlineMs: quantiles(runs.map((r) => r.offlineMs)),
    submitToResultMs: quantiles(runs.map((r) => r.submitToResultMs)),
    messages: runs[0].messages,
    bytes: runs[0].bytes,
  };
}
