export { readConfig, type Config } from "./config.js";
export { startIdentity } from "./service.js";
