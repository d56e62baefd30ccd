/** Parts of an online run, in the order of the bars. */
export const KINDS = [
  { key: "hops", name: "hops", fill: "#7d8597" },
  { key: "linear", name: "linear", fill: "#0b6e4f" },
  { key: "lookUp", name: "look-up", fill: "#c2570c" },
  { key: "fold", name: "fold", fill: "#e0a458" },
  { key: "select", name: "select", fill: "#2f4b9b" },
  { key: "copy", name: "copy", fill: "#a3195b" },
  { key: "rest", name: "rest", fill: "#d9dce1" },
];

/**
 * Milliseconds of a median run by part. Hops are the dry exchange. Kernels are those of both parties: while one computes, the
 * other mostly waits. The rest is what they do not explain; where both parties compute at once, nothing is left.
 */
export function shares({ onlineMs, floor, kernelMs: { p0, p1 } }) {
  const parts = { hops: floor.messagesMs };
  for (const key of ["linear", "lookUp", "fold", "select", "copy"]) parts[key] = p0[key] + p1[key];
  const explained = Object.values(parts).reduce((a, b) => a + b, 0);
  return { ...parts, rest: Math.max(0, onlineMs.median - explained) };
}
