import { NestFactory } from "@nestjs/core";
import type { DynamicModule, INestApplicationContext, LoggerService, Type } from "@nestjs/common";
import "reflect-metadata";
import { MigrationsDone } from "../database/migrations.js";
import type { RpcServer } from "../rpc/server.js";
import { followLogLevel } from "../telemetry/log-level.js";
import type { Logger } from "../telemetry/logger.js";
import { startTelemetry, type Telemetry } from "../telemetry/start.js";
import { startHealth } from "./health.js";

export interface Listener {
  readonly server: Pick<RpcServer, "listen" | "close">;
  /** host:port to bind. */
  readonly address: string;
}

export interface ServiceSettings {
  readonly name: string;
  readonly module: Type | DynamicModule;
  readonly logger: Logger;
  readonly healthAddress: string;
  /** Host name put into the announced addresses. */
  readonly advertise: string;
  /** The servers by kind, e.g. { mtls, enrol }, made from the application's providers. */
  readonly listeners: (
    app: INestApplicationContext,
  ) => Promise<Readonly<Record<string, Listener>>> | Readonly<Record<string, Listener>>;
  /** Before the servers close, when health says NOT_SERVING already: what should still finish over them. */
  readonly drain?: (app: INestApplicationContext) => Promise<void> | void;
  /** After the servers listen: what needs the real ports. */
  readonly onListening?: (
    app: INestApplicationContext,
    addresses: Readonly<Record<string, string>>,
  ) => Promise<void> | void;
}

export interface RunningService {
  readonly app: INestApplicationContext;
  /** Announced host:port by kind of listener, and "health". */
  readonly addresses: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Starts a service: providers, servers, health. Logs one line "listening" with the real addresses when it is ready. */
export async function startService(settings: ServiceSettings): Promise<RunningService> {
  const { logger } = settings;
  const app = await NestFactory.createApplicationContext(settings.module, {
    logger: nestLogger(logger),
    abortOnError: false,
  });
  const health = await startHealth(settings.healthAddress, settings.name);
  const listeners = await settings.listeners(app);
  const addresses: Record<string, string> = {};
  for (const [kind, { server, address }] of Object.entries(listeners))
    addresses[kind] = `${settings.advertise}:${await server.listen(address)}`;
  addresses.health = `${settings.advertise}:${health.port}`;
  await settings.onListening?.(app, addresses);
  health.setServing(true);
  logger.info({ ...addresses }, "listening");
  let closing: Promise<void> | undefined;
  const close = () =>
    (closing ??= (async () => {
      health.setServing(false);
      await settings.drain?.(app);
      await Promise.all(Object.values(listeners).map(({ server }) => server.close(Math.min(CALLS_MS, drainMs()))));
      await app.close();
      health.close();
    })());
  return { app, addresses, close };
}

/** How long calls under way may go on, at most, milliseconds. */
const CALLS_MS = 10_000;
/** What closing takes beyond the time for work under way, milliseconds. */
const CLOSE_MS = 5_000;

/** How long work under way may go on after SIGTERM, milliseconds. */
export const drainMs = (env: NodeJS.ProcessEnv = process.env): number => {
  const seconds = Number(env.PARLEY_DRAIN_SECONDS ?? "");
  return env.PARLEY_DRAIN_SECONDS && Number.isFinite(seconds) ? Math.max(0, seconds) * 1000 : 30_000;
};

/** For `main.ts`: runs a service until SIGTERM or SIGINT, then drains and exits with 0; a failed start exits with 1 and one clear line. */
export async function runService(start: () => Promise<RunningService>, logger: Logger): Promise<void> {
  let telemetry: Telemetry | undefined;
  const starting = (async () => {
    refuseInspection();
    followLogLevel(logger);
    telemetry = await startTelemetry(String(logger.bindings().service), logger); // before the first connection
    return start();
  })();
  // Before it has started: a signal in that moment must drain as well.
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => {
      logger.info({ signal }, "draining");
      const timer = setTimeout(() => process.exit(1), drainMs() + CLOSE_MS);
      starting
        .then((service) => service.close())
        .then(() => telemetry?.close())
        .then(
          () => (clearTimeout(timer), logger.info("stopped"), process.exit(0)),
          (error: unknown) => (logger.error({ err: error }, "shutdown failed"), process.exit(1)),
        );
    });
  try {
    await starting;
  } catch (error) {
    if (error instanceof MigrationsDone) {
      logger.info({ tables: error.service }, "migrated");
      process.exit(0);
    }
    logger.fatal({ err: error }, "start failed");
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

/** Memory holds keys and shares: in production nothing may open a window into it. @throws Error */
export function refuseInspection(
  env: NodeJS.ProcessEnv = process.env,
  args: readonly string[] = process.execArgv,
): void {
  if (env.PARLEY_ENV !== "production") return;
  const flag = [...args, ...(env.NODE_OPTIONS ?? "").split(/\s+/)].find((arg) =>
    /^--(inspect|heapsnapshot|heap-prof|cpu-prof|report)/.test(arg),
  );
  if (flag)
    throw new Error(`${flag} is refused in production: it would write keys and shares to disk or to a debugger`);
}

const nestLogger = (logger: Logger): LoggerService => ({
  log: () => {},
  debug: () => {},
  verbose: () => {},
  warn: (message: unknown) => logger.warn({ from: "nest" }, String(message)),
  error: (message: unknown) => {
    // The end of a migration comes through Nest as a failed start; runService says what it is.
    if (!String(message).startsWith("MigrationsDone")) logger.error({ from: "nest" }, String(message));
  },
});
