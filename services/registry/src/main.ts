import { createLogger, runService } from "@parley/service-kit";
import { readConfig } from "./config.js";
import { startRegistry } from "./service.js";

const logger = createLogger("registry", process.env.PARLEY_LOG_LEVEL);
await runService(async () => startRegistry(readConfig(), logger), logger);
