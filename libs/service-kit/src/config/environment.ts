import { z } from "zod";

const address = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[^\s:]+):\d{1,5}$/, "must be host:port");

/** host:port */
export const addressVariable = address;

/** `name=host:port,name=host:port` as a record. */
export const addressesVariable = z
  .string()
  .default("")
  .transform((text, context) => {
    const entries = text
      .split(",")
      .filter(Boolean)
      .map((entry) => entry.split("=") as [string, string]);
    if (entries.some(([name, at]) => !name || !address.safeParse(at).success)) {
      context.addIssue({ code: "custom", message: "must be name=host:port, comma separated" });
      return z.NEVER;
    }
    return Object.fromEntries(entries);
  });

/** Variables that every service reads. */
export const commonVariables = {
  PARLEY_LISTEN: address.default("127.0.0.1:8443"),
  PARLEY_HEALTH_LISTEN: address.default("127.0.0.1:8081"),
  PARLEY_ADVERTISE: z.string().min(1).default("localhost"),
  PARLEY_ENV: z.enum(["production", "development"]).default("development"),
  PARLEY_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
  /** How long work that runs when the process is asked to end may go on, seconds. */
  PARLEY_DRAIN_SECONDS: z.coerce.number().int().min(0).max(3600).default(30),
};

/** Variables of services whose certificates are files. */
export const certificateVariables = {
  PARLEY_TLS_CERT: z.string().min(1),
  PARLEY_TLS_KEY: z.string().min(1),
  PARLEY_TLS_CA: z.string().min(1),
};

/** Variables of services with a database. */
export const databaseVariables = {
  PARLEY_DATA_DIR: z.string().min(1),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, "must be a postgresql:// address")
    .optional(),
};

/**
 * Reads a service's configuration from environment variables.
 * @throws Error that names every variable that is missing or wrong, without its value
 */
export function readEnvironment<S extends z.ZodRawShape>(
  shape: S,
  env: NodeJS.ProcessEnv = process.env,
): z.output<z.ZodObject<S>> {
  const result = z.object(shape).safeParse(env);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => {
    const name = issue.path.join(".");
    return `  ${name}: ${env[name] === undefined ? "is not set" : issue.message}`;
  });
  throw new Error(`The configuration is incomplete; set these environment variables:\n${lines.join("\n")}`);
}
