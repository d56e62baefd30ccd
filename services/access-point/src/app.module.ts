import { Inject, Module, type DynamicModule, type OnApplicationShutdown } from "@nestjs/common";
import type { Logger } from "@parley/service-kit";
import { AccessPoint } from "./access-point.js";
import type { Config } from "./config.js";
import { observeAccessPoint } from "./domain/metrics.js";

/** The access point as a Nest application: opened at the start, closed at the end. */
@Module({})
export class AppModule implements OnApplicationShutdown {
  private readonly endMetrics: () => void;

  constructor(@Inject(AccessPoint) private readonly accessPoint: AccessPoint) {
    this.endMetrics = observeAccessPoint(accessPoint.own, accessPoint.vault);
  }

  static with(config: Config, logger: Logger): DynamicModule {
    return {
      module: AppModule,
      providers: [{ provide: AccessPoint, useFactory: () => AccessPoint.open(config, logger) }],
    };
  }

  onApplicationShutdown() {
    this.endMetrics();
    return this.accessPoint.close();
  }
}
