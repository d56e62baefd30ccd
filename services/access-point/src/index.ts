export { AccessPoint } from "./access-point.js";
export { AppModule } from "./app.module.js";
export { readConfig, type Config } from "./config.js";
export { startAccessPoint } from "./start.js";
