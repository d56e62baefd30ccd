import { startService, type Logger, type RunningService } from "@parley/service-kit";
import { AppModule, WorkerContext } from "./app.module.js";
import type { Config } from "./config.js";

/** Starts a worker: enrols, serves sessions, attaches to its access point. */
export const startWorker = (config: Config, logger: Logger): Promise<RunningService> =>
  startService({
    name: "worker",
    module: AppModule.with(config, logger),
    logger,
    healthAddress: config.PARLEY_HEALTH_LISTEN,
    advertise: config.PARLEY_ADVERTISE,
    listeners: (app) => {
      const { peers } = app.get(WorkerContext);
      const server = { listen: (address: string) => peers.listen(address), close: async () => {} };
      return { mtls: { server, address: config.PARLEY_LISTEN } };
    },
    onListening: (app, addresses) => app.get(WorkerContext).attach(config.PARLEY_ENDPOINT ?? addresses.mtls),
  });
