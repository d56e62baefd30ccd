import { agreements, identity, registry, scheduler, type ServiceClient } from "@parley/proto";
import { connect, observe } from "@parley/service-kit";
import type { Issuer } from "../store/organisations.js";
import type { Vault } from "../store/vault.js";
import type { OwnOrganisation } from "./own-organisation.js";
import { precondition } from "./refusal.js";
import { skewOf } from "./clock-skew.js";

interface Connections {
  readonly issuer: Issuer;
  readonly identity: ServiceClient<typeof identity.IdentityServiceService>;
  readonly registry: ServiceClient<typeof registry.RegistryServiceService>;
  readonly agreements: ServiceClient<typeof agreements.AgreementsServiceService>;
  readonly scheduler: ServiceClient<typeof scheduler.SchedulerServiceService>;
  token?: { readonly text: Promise<string>; readonly renewAt: number };
}

/**
 * Connections to the router's services: mutual TLS to names under the bundle pinned at enrolment, and identity's token,
 * which admits to router services and to nothing else. What comes over them is the router's word.
 */
export class Router {
  private connections: Connections | undefined;
  /** Seconds that the own clock is ahead of identity's, when it gave the last token. */
  private skew: number | undefined;

  constructor(
    private readonly own: OwnOrganisation,
    private readonly vault: Vault,
  ) {
    observe("parley.clock.skew", (set) => {
      if (this.skew !== undefined) set(this.skew, { peer: "router" });
    });
  }

  get enrolled(): boolean {
    return this.vault.organisations.issuer("router") !== undefined;
  }

  /** @throws ParleyError FAILED_PRECONDITION before enrolment */
  get identity() {
    return this.current().identity;
  }
  get registry() {
    return this.current().registry;
  }
  get agreements() {
    return this.current().agreements;
  }
  get scheduler() {
    return this.current().scheduler;
  }

  /** Drops all connections: the certificate, to which tokens are bound, or the router is a new one. Streams end and are made again. */
  reset() {
    const old = this.connections;
    this.connections = undefined;
    if (old) for (const client of [old.identity, old.registry, old.agreements, old.scheduler]) client.close();
  }

  /** The router refused the token: the next call asks for another one. */
  forgetToken() {
    if (this.connections) this.connections.token = undefined;
  }

  private current(): Connections {
    if (this.connections) return this.connections;
    const issuer = this.vault.organisations.issuer("router");
    if (!issuer)
      throw precondition(
        "NOT_ENROLLED",
        `${this.own.id} is not enrolled at a router`,
        "Get a one-time token from the router's operator and run `parley org enrol --router TOKEN`.",
      );
    const settings = (service: string) => {
      const address = issuer.services[service];
      if (!address)
        throw precondition("SERVICE_UNKNOWN", `the router named no address of its service ${service}`, "Enrol again.");
      return {
        address,
        own: this.own.certificate,
        server: { org: issuer.id, role: service, bundle: () => issuer.bundle },
      };
    };
    const token = () => this.token(made);
    const made: Connections = {
      issuer,
      identity: connect(identity.IdentityServiceService, settings("identity")),
      registry: connect(registry.RegistryServiceService, { ...settings("registry"), token }),
      agreements: connect(agreements.AgreementsServiceService, { ...settings("agreements"), token }),
      scheduler: connect(scheduler.SchedulerServiceService, { ...settings("scheduler"), token }),
    };
    return (this.connections = made);
  }

  /** Identity's token, renewed at two thirds of its life. */
  private token(connections: Connections): Promise<string> {
    const held = connections.token;
    if (held && Date.now() < held.renewAt) return held.text;
    const askedAt = Date.now();
    const issued = connections.identity.issueToken({});
    const text = issued.then((answer) => answer.token);
    const own = { text, renewAt: Date.now() + 10_000 };
    connections.token = own;
    issued.then(
      ({ token, expires }) => {
        this.skew = skewOf(token, askedAt, Date.now()) ?? this.skew;
        const life = (expires?.getTime() ?? 0) - Date.now();
        if (connections.token === own) connections.token = { text, renewAt: Date.now() + (life * 2) / 3 };
      },
      () => {
        if (connections.token === own) connections.token = undefined;
      },
    );
    return text;
  }
}
