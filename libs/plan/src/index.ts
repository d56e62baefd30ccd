export * from "./plan.js";
export * from "./error.js";
export * from "./weights.js";
