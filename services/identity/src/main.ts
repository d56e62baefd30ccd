import { createLogger, runService } from "@parley/service-kit";
import { readConfig } from "./config.js";
import { startIdentity } from "./service.js";

const logger = createLogger("identity", process.env.PARLEY_LOG_LEVEL);
await runService(async () => startIdentity(readConfig(), logger), logger);
