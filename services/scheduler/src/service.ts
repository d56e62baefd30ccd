import {
  RpcServer,
  mutualServerCredentials,
  startService,
  type Logger,
  type RunningService,
} from "@parley/service-kit";
import { SchedulerContext, AppModule } from "./app.module.js";
import type { Config } from "./config.js";
import { schedulerBinding } from "./rpc/scheduler.rpc.js";

/** Starts the scheduler. */
export const startScheduler = (config: Config, logger: Logger): Promise<RunningService> =>
  startService({
    name: "scheduler",
    module: AppModule.with(config, logger),
    logger,
    healthAddress: config.PARLEY_HEALTH_LISTEN,
    advertise: config.PARLEY_ADVERTISE,
    listeners: (app) => {
      const { member, dependencies } = app.get(SchedulerContext);
      const { certificate, trust, tokens } = member;
      const credentials = mutualServerCredentials(certificate, trust);
      const bindings = [schedulerBinding(dependencies)];
      const server = new RpcServer({ credentials, trust, tokens, logger, bindings });
      return { mtls: { server, address: config.PARLEY_LISTEN } };
    },
  });
