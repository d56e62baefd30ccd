import { createLogger, runService } from "@parley/service-kit";
import { readConfig } from "./config.js";
import { startScheduler } from "./service.js";

const logger = createLogger("scheduler", process.env.PARLEY_LOG_LEVEL);
await runService(async () => startScheduler(readConfig(), logger), logger);
