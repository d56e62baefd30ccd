import { createLogger, runService } from "@parley/service-kit";
import { readConfig } from "./config.js";
import { startAccessPoint } from "./start.js";

const logger = createLogger("access-point", process.env.PARLEY_LOG_LEVEL);
await runService(() => startAccessPoint(readConfig(), logger), logger);
