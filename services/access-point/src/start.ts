import { startService, type Logger, type RunningService } from "@parley/service-kit";
import { AccessPoint } from "./access-point.js";
import { AppModule } from "./app.module.js";
import type { Config } from "./config.js";

/** Starts an access point; it is ready once both servers listen. */
export async function startAccessPoint(config: Config, logger: Logger): Promise<RunningService> {
  const service = await startService({
    name: "access-point",
    module: AppModule.with(config, logger),
    logger,
    healthAddress: config.PARLEY_HEALTH_LISTEN,
    advertise: config.PARLEY_ADVERTISE,
    listeners: (app) => {
      const { fleetServer, memberServer } = app.get(AccessPoint);
      return {
        mtls: { server: fleetServer, address: config.PARLEY_LISTEN },
        enrol: { server: memberServer, address: config.PARLEY_ENROL_LISTEN },
      };
    },
    onListening: (app, addresses) => app.get(AccessPoint).start({ members: addresses.enrol, fleet: addresses.mtls }),
  });
  return {
    ...service,
    close: async () => {
      service.app.get(AccessPoint).drain();
      await service.close();
    },
  };
}
