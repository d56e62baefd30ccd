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
    },
    env,
  );

export type Config = ReturnType<typeof readConfig>;
