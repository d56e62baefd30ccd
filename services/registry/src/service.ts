import {
  RpcServer,
  mutualServerCredentials,
  startService,
  type Logger,
  type RunningService,
} from "@parley/service-kit";
import { AppModule, RegistryContext } from "./app.module.js";
import type { Config } from "./config.js";
import { registryBinding } from "./rpc/registry.rpc.js";

/** Starts the registry. */
export const startRegistry = (config: Config, logger: Logger): Promise<RunningService> =>
  startService({
    name: "registry",
    module: AppModule.with(config, logger),
    logger,
    healthAddress: config.PARLEY_HEALTH_LISTEN,
    advertise: config.PARLEY_ADVERTISE,
    listeners: (app) => {
      const { store, audit, member } = app.get(RegistryContext);
      const { certificate, trust, tokens } = member;
      const credentials = mutualServerCredentials(certificate, trust);
      const server = new RpcServer({
        credentials,
        trust,
        tokens,
        logger,
        bindings: [registryBinding({ store, audit })],
      });
      return { mtls: { server, address: config.PARLEY_LISTEN } };
    },
  });
