import { Module, type DynamicModule, type OnApplicationShutdown } from "@nestjs/common";
import { AuditLog, RouterMember, openDatabase, type Logger } from "@parley/service-kit";
import { fileURLToPath } from "node:url";
import type { Config } from "./config.js";
import { AssetStore, type RegistryDatabase } from "./store/asset-store.js";
import * as schema from "./store/schema.js";

const MIGRATIONS = fileURLToPath(new URL("../migrations", import.meta.url));

/** Everything that the registry's rpcs need. */
export class RegistryContext implements OnApplicationShutdown {
  readonly store: AssetStore;

  private constructor(
    readonly database: RegistryDatabase,
    readonly audit: AuditLog,
    readonly member: RouterMember,
  ) {
    this.store = new AssetStore(database);
  }

  static async open(config: Config, logger: Logger): Promise<RegistryContext> {
    const database = await openDatabase({
      service: "registry",
      schema,
      migrationsFolder: MIGRATIONS,
      url: config.DATABASE_URL,
      dataDir: config.PARLEY_DATA_DIR,
    });
    const audit = await AuditLog.open(database, "registry");
    return new RegistryContext(database, audit, RouterMember.join(config, logger));
  }

  async onApplicationShutdown() {
    this.member.close();
    await this.database.close();
  }
}

@Module({})
export class AppModule {
  static with(config: Config, logger: Logger): DynamicModule {
    const provider = { provide: RegistryContext, useFactory: () => RegistryContext.open(config, logger) };
    return { module: AppModule, providers: [provider], exports: [RegistryContext] };
  }
}
