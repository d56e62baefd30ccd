/** Kinds of kernels in the order in which a network meets them; what is none of the first ones moves or adds words. */
const KINDS = [
  ["lookUp", /look/i],
  ["fold", /fold/i],
  ["select", /select/i],
  ["linear", /^(multiply|patches|split(Limbs|Words)|widenWords|gatherPairs|pairPlanes)/i],
];

/** Reads ahead while the party waits: no part of what a run waits for. */
const IDLE = /^touch/;

/** Kind of a kernel by its exported name; undefined where its time does not count. */
export const kindOf = (name) =>
  IDLE.test(name) ? undefined : (KINDS.find(([, pattern]) => pattern.test(name))?.[0] ?? "copy");
