export { readConfig, type Config } from "./config.js";
export { startWorker } from "./service.js";
