import { commonVariables, readEnvironment } from "@parley/service-kit";
import { z } from "zod";

const bytes = (fallback: number) => z.coerce.number().int().positive().default(fallback);
const MB = 1024 * 1024;

const variables = {
  ...commonVariables,
  /** Name of the organisation, also the trust domain of its certificates. */
  PARLEY_ORG: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "must be lower-case letters, digits and inner hyphens"),
  /** Members and worker enrolment, server-side TLS. */
  PARLEY_ENROL_LISTEN: commonVariables.PARLEY_LISTEN.default("127.0.0.1:8444"),
  /** Folder of the vault. */
  PARLEY_DATA_DIR: z.string().min(1),
  /** Host names in its own certificate beside PARLEY_ADVERTISE, comma separated: where users reach it from outside. */
  PARLEY_EXTRA_DNS: z.string().default(""),
  /** Host names in workers' certificates beside PARLEY_ADVERTISE, comma separated. */
  PARLEY_WORKER_DNS: z.string().default(""),
  /** File with the administrator's API key, instead of one that is made on the first start. */
  PARLEY_ADMIN_KEY_FILE: z.string().optional(),
  /** Lets administrators make a self-test organisation: for trials, insecure. */
  PARLEY_ALLOW_SELF_TEST: z.stringbool().default(false),
  PARLEY_MAX_MODEL_BYTES: bytes(512 * MB),
  PARLEY_MAX_INPUT_BYTES: bytes(512 * MB),
  /** Attempts taken from the scheduler at once. */
  PARLEY_ATTEMPTS: bytes(16),
};

export type Config = z.output<z.ZodObject<typeof variables>>;

export const readConfig = (env: NodeJS.ProcessEnv = process.env): Config => readEnvironment(variables, env);
