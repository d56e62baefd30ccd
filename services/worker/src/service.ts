import { startService, type Logger, type RunningService } from "@parley/service-kit";
import { AppModule, WorkerContext } from "./app.module.js";
import type { Config } from "./config.js";
import type { Resolve } from "./peer/addresses.js";

/** Starts a worker: enrols, serves sessions, attaches to its access point. Names are looked up by `resolve`, or as the system does it. */
export const startWorker = (config: Config, logger: Logger, resolve?: Resolve): Promise<RunningService> =>
  startService({
    name: "worker",
    module: AppModule.with(config, logger, resolve),
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
