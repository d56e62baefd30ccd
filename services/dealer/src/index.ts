export { readConfig, type Config } from "./config.js";
export { startDealer } from "./service.js";
