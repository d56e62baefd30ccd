export * as common from "./gen/parley/common/v1/common.js";
export * as enrolment from "./gen/parley/enrolment/v1/enrolment.js";
export * as identity from "./gen/parley/identity/v1/identity.js";
export * as registry from "./gen/parley/registry/v1/registry.js";
export * as agreements from "./gen/parley/agreements/v1/agreements.js";
export * as scheduler from "./gen/parley/scheduler/v1/scheduler.js";
export * as dealer from "./gen/parley/dealer/v1/dealer.js";
export * as peer from "./gen/parley/peer/v1/peer.js";
export * as fleet from "./gen/parley/fleet/v1/fleet.js";
export * as probe from "./gen/parley/probe/v1/probe.js";
export * as member from "./gen/parley/member/v1/member.js";
export { Code, ParleyError, fromServiceError, toServiceError, type ErrorDetails } from "./error.js";
export {
  createClient,
  type CallObserver,
  type CallSettings,
  type ClientSettings,
  type ServiceClient,
} from "./client.js";
export { Findings, ageOf, isFailed, probeConnection, type ProbeTarget, type ProbeTls } from "./probe/index.js";
