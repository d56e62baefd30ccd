import {
  addressVariable,
  certificateVariables,
  commonVariables,
  databaseVariables,
  readEnvironment,
} from "@parley/service-kit";
import { z } from "zod";

export const readConfig = (env: NodeJS.ProcessEnv = process.env) =>
  readEnvironment(
    {
      ...commonVariables,
      ...certificateVariables,
      ...databaseVariables,
      PARLEY_TRUST_DOMAIN: z.string().default("router"),
      PARLEY_IDENTITY_ADDRESS: addressVariable,
      /** How long after a job's last ticket its unreported records stay reserved. */
      PARLEY_SETTLE_SECONDS: z.coerce.number().int().min(0).default(3600),
      /** How often ends of agreements and reservations are looked for. */
      PARLEY_HOUSEKEEPING_MS: z.coerce.number().int().min(20).default(1000),
    },
    env,
  );

export type Config = ReturnType<typeof readConfig>;
