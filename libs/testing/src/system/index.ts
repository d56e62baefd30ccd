export { startChild, type Child } from "./child-process.js";
export { freePorts } from "./free-port.js";
export { createOperator, type Operator } from "./operator.js";
export { startOrganisation, type MemberClient, type Organisation } from "./organisation.js";
export { findRedis, startRedis, type Redis } from "./redis-server.js";
export { repository, startService, type ServiceName } from "./service-process.js";
export { startSystem, type System, type SystemOptions } from "./system.js";
