import { startService, type Logger, type RunningService } from "@parley/service-kit";
import { AccessPoint } from "./access-point.js";
import { AppModule } from "./app.module.js";
import type { Config } from "./config.js";

/** How long workers may finish their runs before the servers close, milliseconds: until the next start nobody is served. */
const RUNS_MS = 3_000;

/** Starts an access point; it is ready once both servers listen. */
export function startAccessPoint(config: Config, logger: Logger): Promise<RunningService> {
  return startService({
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
    drain: (app) => app.get(AccessPoint).drain(Math.min(RUNS_MS, config.PARLEY_DRAIN_SECONDS * 1000)),
    onListening: (app, addresses) => app.get(AccessPoint).start({ members: addresses.enrol, fleet: addresses.mtls }),
  });
}
