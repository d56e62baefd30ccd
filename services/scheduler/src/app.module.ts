import { Module, type DynamicModule, type OnApplicationShutdown } from "@nestjs/common";
import { agreements } from "@parley/proto";
import { RouterMember, connect, openDatabase, readSealingKeys, type Logger } from "@parley/service-kit";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "./config.js";
import { Attachments } from "./domain/attachments.js";
import { JobIntake } from "./domain/job-intake.js";
import { JobQueue } from "./domain/job-queue.js";
import { observeQueues } from "./domain/queue-metrics.js";
import { Sweeper } from "./domain/sweeper.js";
import { TicketIssuer } from "./domain/ticket-issuer.js";
import type { SchedulerDependencies } from "./rpc/scheduler.rpc.js";
import { AttemptStore } from "./store/attempt-store.js";
import { JobStore } from "./store/job-store.js";
import { OutboxStore } from "./store/outbox-store.js";
import * as schema from "./store/schema.js";

const MIGRATIONS = fileURLToPath(new URL("../migrations", import.meta.url));

/** Everything that the scheduler's rpcs need. */
export class SchedulerContext implements OnApplicationShutdown {
  private constructor(
    readonly member: RouterMember,
    readonly dependencies: SchedulerDependencies,
    private readonly ending: readonly (() => Promise<void> | void)[],
  ) {}

  static async open(config: Config, logger: Logger): Promise<SchedulerContext> {
    const database = await openDatabase({
      service: "scheduler",
      schema,
      migrationsFolder: MIGRATIONS,
      url: config.DATABASE_URL,
      dataDir: config.PARLEY_DATA_DIR,
    });
    const keyFiles = {
      current: config.PARLEY_TICKET_KEK_FILE ?? join(config.PARLEY_DATA_DIR, "ticket-kek"),
      former: config.PARLEY_TICKET_KEK_FORMER_FILE,
    };
    const production = config.PARLEY_ENV === "production";
    const tickets = await (async () =>
      TicketIssuer.load(database, readSealingKeys(keyFiles, "PARLEY_TICKET_KEK_FILE", production, logger)))().catch(
      async (error: unknown) => {
        await database.close();
        throw error;
      },
    );
    const member = RouterMember.join(config, logger);
    const client = connect(agreements.AgreementsServiceService, {
      address: config.PARLEY_AGREEMENTS_ADDRESS,
      own: member.certificate,
      server: member.sibling("agreements"),
    });
    const jobs = new JobStore(database);
    const attempts = new AttemptStore(database, config.PARLEY_MAX_ATTEMPTS);
    const queue = new JobQueue(config.REDIS_URL, logger);
    const sweeper = new Sweeper(jobs, new OutboxStore(database), queue, client, logger, {
      everyMs: config.PARLEY_SWEEP_MS,
      fullEveryMs: config.PARLEY_FULL_SWEEP_MS,
      abandonedMs: config.PARLEY_ABANDONED_MS,
    }).start();
    const onProgress = () => sweeper.poke();
    const services = { jobs, attempts, tickets, logger, acceptMs: config.PARLEY_ACCEPT_MS, onProgress };
    const attachments = new Attachments(services, queue).start(config.PARLEY_SWEEP_MS);
    const intake = new JobIntake(jobs, queue, attachments, client, logger);
    const ending = [
      observeQueues(jobs),
      () => attachments.closeAll(),
      () => sweeper.close(),
      () => intake.close(),
      () => queue.close(),
      () => client.close(),
      () => member.close(),
      () => database.close(),
    ];
    return new SchedulerContext(member, { jobs, intake, queue, attachments, tickets, sweeper }, ending);
  }

  async onApplicationShutdown() {
    for (const end of this.ending) await end();
  }
}

@Module({})
export class AppModule {
  static with(config: Config, logger: Logger): DynamicModule {
    const provider = { provide: SchedulerContext, useFactory: () => SchedulerContext.open(config, logger) };
    return { module: AppModule, providers: [provider], exports: [SchedulerContext] };
  }
}
