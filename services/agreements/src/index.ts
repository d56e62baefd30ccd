export { readConfig, type Config } from "./config.js";
export { startAgreements } from "./service.js";
