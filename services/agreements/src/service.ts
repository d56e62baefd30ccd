import {
  RpcServer,
  mutualServerCredentials,
  startService,
  type Logger,
  type RunningService,
} from "@parley/service-kit";
import { AgreementsContext, AppModule } from "./app.module.js";
import type { Config } from "./config.js";
import { agreementsBinding } from "./rpc/agreements.rpc.js";

/** Starts agreements. */
export const startAgreements = (config: Config, logger: Logger): Promise<RunningService> =>
  startService({
    name: "agreements",
    module: AppModule.with(config, logger),
    logger,
    healthAddress: config.PARLEY_HEALTH_LISTEN,
    advertise: config.PARLEY_ADVERTISE,
    listeners: (app) => {
      const { member, dependencies } = app.get(AgreementsContext);
      const { certificate, trust, tokens } = member;
      const credentials = mutualServerCredentials(certificate, trust);
      const bindings = [agreementsBinding(dependencies)];
      const server = new RpcServer({ credentials, trust, tokens, logger, bindings });
      return { mtls: { server, address: config.PARLEY_LISTEN } };
    },
  });
