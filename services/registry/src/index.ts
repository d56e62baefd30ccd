export { readConfig, type Config } from "./config.js";
export { startRegistry } from "./service.js";
