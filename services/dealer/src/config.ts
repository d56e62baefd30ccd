import {
  addressVariable,
  addressesVariable,
  certificateVariables,
  commonVariables,
  databaseVariables,
  readEnvironment,
} from "@parley/service-kit";
import { z } from "zod";

/** @throws Error for what production must not run with */
export function readConfig(env: NodeJS.ProcessEnv = process.env) {
  const config = readEnvironment(
    {
      ...commonVariables,
      ...certificateVariables,
      ...databaseVariables,
      PARLEY_ENROL_LISTEN: addressVariable.default("127.0.0.1:8444"),
      /** host:port that tokens name, where it is not PARLEY_ADVERTISE and the own port (a gateway, a load balancer). */
      PARLEY_ENROL_ADDRESS: addressVariable.optional(),
      PARLEY_TRUST_DOMAIN: z.string().default("dealer"),
      /** `dealer=host:port`, told to organisations that enrol, where it is not PARLEY_ADVERTISE and the own port. */
      PARLEY_SERVICE_ADDRESSES: addressesVariable,
      PARLEY_SIGNING_KEY_FILE: z.string().optional(),
      /** Lets an access point invite its own self-test organisation: for trials, insecure. */
      PARLEY_ALLOW_SELF_TEST: z.stringbool().default(false),
      PARLEY_DEALER_KEK_FILE: z.string().optional(),
      /** The key that will be the present one, and the one that was: beside it while it is replaced. May be absent. */
      PARLEY_DEALER_KEK_NEXT_FILE: z.string().optional(),
      PARLEY_DEALER_KEK_FORMER_FILE: z.string().optional(),
      /** Set for the first start after a restore or a failover that may have lost commits: voids every older batch. */
      PARLEY_DEALER_VOID_AT_START: z.stringbool().default(false),
    },
    env,
  );
  if (config.PARLEY_ENV === "production" && !config.DATABASE_URL)
    throw new Error(
      "the dealer does not run on an embedded database in production: its ledger would not survive a power loss; set DATABASE_URL",
    );
  return config;
}

export type Config = ReturnType<typeof readConfig>;
