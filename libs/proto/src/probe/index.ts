export { Findings, isFailed } from "./finding.js";
export { ageOf, type ProbeTls } from "./handshake.js";
export { probeConnection, type ProbeTarget } from "./connection.js";
