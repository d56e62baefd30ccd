/** Kinds of kernels, by their exported names. */
const KINDS = [
  ["lookUp", /^gate(Slice|(Open)?LookUp)/],
  ["fold", /^gateFold/],
  ["select", /^gateSelect/],
  ["linear", /^(rows|tiles|multiply|patches|split|widen|pairPlanes|gatherPairs)/],
  ["copy", /^(add|sub|signExtend|sumPool|pool|pack|unpack|open|words|bits)/],
];
/** Never on the way of a run: reading ahead while a party waits, dealing, and what is no kernel. */
const OTHERS = /^(touch|fetch|gateDeal|heapBase|memory)/;

/** Kind of a kernel; undefined where its time does not count. @throws Error for one that nobody has sorted */
export function kindOf(name) {
  const kind = KINDS.find(([, pattern]) => pattern.test(name))?.[0];
  if (kind || OTHERS.test(name)) return kind;
  throw new Error(`the kernel ${name} is of no kind: add it to scripts/bench/kernel-kinds.mjs`);
}
