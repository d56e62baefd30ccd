import { createLogger, runService } from "@parley/service-kit";
import { readConfig } from "./config.js";
import { startAgreements } from "./service.js";

const logger = createLogger("agreements", process.env.PARLEY_LOG_LEVEL);
await runService(async () => startAgreements(readConfig(), logger), logger);
