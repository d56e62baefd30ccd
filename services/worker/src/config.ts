import { addressVariable, commonVariables, readEnvironment } from "@parley/service-kit";
import { availableParallelism } from "node:os";
import { z } from "zod";

const MINUTE = 60_000;

export const readConfig = (env: NodeJS.ProcessEnv = process.env) =>
  readEnvironment(
    {
      ...commonVariables,
      /** File that holds the one-time token of the worker's own access point. */
      PARLEY_WORKER_TOKEN_FILE: z.string().min(1),
      /** Where partners reach this worker, where that is not PARLEY_ADVERTISE and its own port (a load balancer, a relay). */
      PARLEY_ENDPOINT: addressVariable.optional(),
      /** Unique name of this process, e.g. the pod's. */
      PARLEY_WORKER_NAME: z.string().default(`worker-${process.pid}`),
      /** Runs at once. */
      PARLEY_CONCURRENCY: z.coerce.number().int().min(1).max(256).default(4),
      /** Batches of small models that are drawn from the dealer together, at most. */
      PARLEY_LOT: z.coerce.number().int().min(1).max(64).default(16),
      /** Whether to poll for the peer's answer for up to 2 ms before sleeping; pays where each party has a core. */
      PARLEY_POLL: z.enum(["on", "off", "auto"]).default("auto"),
      /** How long an unused prepared session lives, milliseconds: at the data owner, and at the model owner. */
      PARLEY_IDLE_MS: z.coerce
        .number()
        .int()
        .min(100)
        .default(10 * MINUTE),
      PARLEY_IDLE_LIMIT_MS: z.coerce
        .number()
        .int()
        .min(100)
        .default(12 * MINUTE),
      /** How often the names of partners' endpoints are looked up, and sessions spread over what they lead to, milliseconds. */
      PARLEY_RESOLVE_MS: z.coerce.number().int().min(100).default(3_000),
      /** Connections to a partner whose name leads to one address: more than one where a gateway or load balancer stands there. */
      PARLEY_PARTNER_CONNECTIONS: z.coerce.number().int().min(1).max(64).default(1),
      /** How long the peer may stay silent in a session, milliseconds. */
      PARLEY_SESSION_TIMEOUT_MS: z.coerce.number().int().min(100).default(30_000),
    },
    env,
  );

export type Config = ReturnType<typeof readConfig>;

/** Polling takes a core from everybody else while it lasts. */
export const polls = (config: Pick<Config, "PARLEY_POLL">): boolean =>
  config.PARLEY_POLL === "on" || (config.PARLEY_POLL === "auto" && availableParallelism() >= 2);
