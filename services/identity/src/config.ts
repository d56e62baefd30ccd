import {
  addressVariable,
  addressesVariable,
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
      PARLEY_ENROL_LISTEN: addressVariable.default("127.0.0.1:8444"),
      /** host:port that tokens name, where it is not PARLEY_ADVERTISE and the own port (a gateway, a load balancer). */
      PARLEY_ENROL_ADDRESS: addressVariable.optional(),
      PARLEY_TRUST_DOMAIN: z.string().default("router"),
      PARLEY_SERVICE_ADDRESSES: addressesVariable,
      PARLEY_SIGNING_KEY_FILE: z.string().optional(),
      /** Lets an access point invite its own self-test organisation: for trials, insecure. */
      PARLEY_ALLOW_SELF_TEST: z.stringbool().default(false),
    },
    env,
  );

export type Config = ReturnType<typeof readConfig>;
