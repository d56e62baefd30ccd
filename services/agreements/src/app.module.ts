import { Module, type DynamicModule, type OnApplicationShutdown } from "@nestjs/common";
import { AuditLog, RouterMember, openDatabase, type Logger } from "@parley/service-kit";
import { fileURLToPath } from "node:url";
import type { Config } from "./config.js";
import { AgreementFeed } from "./domain/agreement-feed.js";
import { Housekeeping } from "./domain/housekeeping.js";
import { observeQuota } from "./domain/quota-metrics.js";
import { Quota } from "./domain/quota.js";
import type { AgreementsDependencies } from "./rpc/agreements.rpc.js";
import { AgreementStore } from "./store/agreement-store.js";
import { ReservationStore } from "./store/reservation-store.js";
import * as schema from "./store/schema.js";

const MIGRATIONS = fileURLToPath(new URL("../migrations", import.meta.url));

/** Everything that the rpcs of agreements need. */
export class AgreementsContext implements OnApplicationShutdown {
  private constructor(
    readonly member: RouterMember,
    readonly dependencies: AgreementsDependencies,
    private readonly ending: readonly (() => Promise<void> | void)[],
  ) {}

  static async open(config: Config, logger: Logger): Promise<AgreementsContext> {
    const database = await openDatabase({
      service: "agreements",
      schema,
      migrationsFolder: MIGRATIONS,
      url: config.DATABASE_URL,
      dataDir: config.PARLEY_DATA_DIR,
    });
    const audit = await AuditLog.open(database, "agreements");
    const member = RouterMember.join(config, logger);
    const store = new AgreementStore(database, audit);
    const reservations = new ReservationStore(database, audit);
    const feed = await new AgreementFeed(store, logger).start();
    const housekeeping = new Housekeeping(store, reservations, feed, logger).start(config.PARLEY_HOUSEKEEPING_MS);
    const find = (id: string) => member.directory.get(id);
    const dependencies = {
      store,
      reservations,
      quota: new Quota(store, reservations, find),
      feed,
      audit,
      find,
      domain: config.PARLEY_TRUST_DOMAIN,
      settleMs: config.PARLEY_SETTLE_SECONDS * 1000,
    };
    const ending = [observeQuota(store), () => housekeeping.close(), () => feed.close(), () => database.close()];
    return new AgreementsContext(member, dependencies, ending);
  }

  async onApplicationShutdown() {
    this.member.close();
    for (const end of this.ending) await end();
  }
}

@Module({})
export class AppModule {
  static with(config: Config, logger: Logger): DynamicModule {
    const provider = { provide: AgreementsContext, useFactory: () => AgreementsContext.open(config, logger) };
    return { module: AppModule, providers: [provider], exports: [AgreementsContext] };
  }
}
