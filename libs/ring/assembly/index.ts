export * from "./memory";
export * from "./words";
export * from "./pack";
export * from "./linear";
