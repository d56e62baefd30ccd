import {
  RpcServer,
  mutualServerCredentials,
  startService,
  type Logger,
  type RunningService,
} from "@parley/service-kit";
import { setTimeout as sleep } from "node:timers/promises";
import { SchedulerContext, AppModule } from "./app.module.js";
import type { Config } from "./config.js";
import { schedulerBinding } from "./rpc/scheduler.rpc.js";

/** How long identity's list of organisations is waited for at the start. */
const ORGANISATIONS_MS = 10_000;

/** How long attempts under way may still end over this replica's streams when it stops, milliseconds: until then no others are sent. */
const ATTEMPTS_MS = 3_000;

/** Starts the scheduler. */
export const startScheduler = (config: Config, logger: Logger): Promise<RunningService> =>
  startService({
    name: "scheduler",
    module: AppModule.with(config, logger),
    logger,
    healthAddress: config.PARLEY_HEALTH_LISTEN,
    advertise: config.PARLEY_ADVERTISE,
    drain: (app) =>
      app
        .get(SchedulerContext)
        .dependencies.attachments.drainAll(Math.min(ATTEMPTS_MS, config.PARLEY_DRAIN_SECONDS * 1000)),
    listeners: async (app) => {
      const { member, dependencies } = app.get(SchedulerContext);
      const { certificate, trust, tokens } = member;
      // Callers that come before identity has told of them would be refused; but identity may be away for long.
      await Promise.race([member.directory.ready, sleep(ORGANISATIONS_MS, undefined, { ref: false })]);
      const credentials = mutualServerCredentials(certificate, trust);
      const bindings = [schedulerBinding(dependencies)];
      const server = new RpcServer({ credentials, trust, tokens, logger, bindings });
      return { mtls: { server, address: config.PARLEY_LISTEN } };
    },
  });
