import { createLogger, runService } from "@parley/service-kit";
import { readConfig } from "./config.js";
import { startWorker } from "./service.js";

const logger = createLogger("worker", process.env.PARLEY_LOG_LEVEL);
await runService(async () => startWorker(readConfig(), logger), logger);
