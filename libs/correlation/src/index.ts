import "./collector.js";
export { correctionBytes, maskBytes } from "@parley/plan";
export { computeMaskId, deriveBatch } from "./key-derivation.js";
export type { BatchContext, BatchKeys } from "./key-derivation.js";
export { expandMask } from "./mask.js";
export { ExpandedPart } from "./part.js";
export type { Part } from "./part.js";
export { Dealing } from "./dealing.js";
