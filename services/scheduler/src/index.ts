export { readConfig, type Config } from "./config.js";
export { startScheduler } from "./service.js";
