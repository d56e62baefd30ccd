import type { ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import type { Access, AccessRules, CallContext, Handlers } from "./handlers.js";

export type AnyHandler = (request: unknown, context: CallContext) => Promise<unknown> | AsyncIterable<unknown>;

/** A service definition with its handlers and who may call them. */
export interface Binding {
  readonly definition: ServiceDefinition;
  readonly handlers: Readonly<Record<string, AnyHandler>>;
  readonly access: (method: string) => Access;
}

/**
 * Binds handlers to a generated definition, e.g.
 * `implement<identity.IdentityServiceServer>(identity.IdentityServiceService, { ... }, { all: { roles: ["access-point"] } })`.
 */
export function implement<S extends UntypedServiceImplementation>(
  definition: ServiceDefinition,
  handlers: Handlers<S>,
  rules: AccessRules,
): Binding {
  for (const name of Object.keys(rules.except ?? {}))
    if (!(name in definition)) throw new Error(`access rule for ${name}, which the service does not have`);
  return {
    definition,
    handlers: handlers as unknown as Binding["handlers"],
    access: (method) => rules.except?.[method] ?? rules.all,
  };
}
