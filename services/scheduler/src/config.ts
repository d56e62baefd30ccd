import {
  addressVariable,
  certificateVariables,
  commonVariables,
  databaseVariables,
  readEnvironment,
} from "@parley/service-kit";
import { z } from "zod";

const milliseconds = (fallback: number) => z.coerce.number().int().min(10).default(fallback);

export const readConfig = (env: NodeJS.ProcessEnv = process.env) =>
  readEnvironment(
    {
      ...commonVariables,
      ...certificateVariables,
      ...databaseVariables,
      PARLEY_TRUST_DOMAIN: z.string().default("router"),
      PARLEY_IDENTITY_ADDRESS: addressVariable,
      PARLEY_AGREEMENTS_ADDRESS: addressVariable,
      REDIS_URL: z.string().regex(/^rediss?:\/\//, "must be a redis:// address"),
      /** 32 bytes that seal the ticket key; in development made in the data folder where absent. */
      PARLEY_TICKET_KEK_FILE: z.string().optional(),
      /** The one of before, beside it while it is replaced. May be absent. */
      PARLEY_TICKET_KEK_FORMER_FILE: z.string().optional(),
      /** Attempts of a job in all. */
      PARLEY_MAX_ATTEMPTS: z.coerce.number().int().min(1).default(5),
      /** How long an access point may take to store an attempt. */
      PARLEY_ACCEPT_MS: milliseconds(30_000),
      /** How often other replicas' doings are looked for, and unqueued jobs, unsent audit rows, unreleased jobs. */
      PARLEY_SWEEP_MS: milliseconds(1_000),
      /** How often every living job is offered to the queue again. */
      PARLEY_FULL_SWEEP_MS: milliseconds(30_000),
      /** After this time a creation that was not finished is taken back. */
      PARLEY_ABANDONED_MS: milliseconds(90_000),
    },
    env,
  );

export type Config = ReturnType<typeof readConfig>;
