import { createLogger, runService } from "@parley/service-kit";
import { WorkerContext } from "./app.module.js";
import { readConfig } from "./config.js";
import { startWorker } from "./service.js";

const logger = createLogger("worker", process.env.PARLEY_LOG_LEVEL);
await runService(async () => {
  const service = await startWorker(readConfig(), logger);
  // Nothing can be done with a revoked certificate. Whoever keeps the process running starts it anew, and it enrols.
  service.app.get(WorkerContext).onRevoked = () => process.kill(process.pid, "SIGTERM");
  return service;
}, logger);
