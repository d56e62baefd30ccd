import { createLogger, runService } from "@parley/service-kit";
import { readConfig } from "./config.js";
import { startDealer } from "./service.js";

const logger = createLogger("dealer", process.env.PARLEY_LOG_LEVEL);
await runService(async () => startDealer(readConfig(), logger), logger);
