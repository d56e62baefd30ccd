import { identity, type ServiceClient, type common } from "@parley/proto";
import type { Logger } from "../telemetry/logger.js";
import type { TrustStore } from "../tls/trust-store.js";

type IdentityClient = ServiceClient<typeof identity.IdentityServiceService>;

/**
 * The organisations of the router, as identity tells them: kept current by a stream, so that router services admit
 * their certificates and know their signing keys.
 */
export class OrganisationDirectory {
  readonly #known = new Map<string, common.Organisation>();
  readonly #abort = new AbortController();
  #synchronised: () => void = () => {};
  /** Resolves when the first full state has arrived. */
  readonly ready = new Promise<void>((resolve) => (this.#synchronised = resolve));

  constructor(
    private readonly client: IdentityClient,
    private readonly trust: TrustStore,
    private readonly logger: Logger,
  ) {}

  /** An enrolled organisation that was not revoked. */
  get(id: string): common.Organisation | undefined {
    const organisation = this.#known.get(id);
    return organisation?.revoked ? undefined : organisation;
  }

  /** Follows identity until {@link close}; reconnects by itself. */
  start(): this {
    void this.follow();
    return this;
  }

  close(): void {
    this.#abort.abort();
  }

  private async follow() {
    const { signal } = this.#abort;
    for (let wait = 200; !signal.aborted; wait = Math.min(wait * 2, 5_000)) {
      try {
        for await (const { organisation, synchronised } of this.client.watchOrganisations({}, { signal })) {
          wait = 200;
          if (organisation) this.apply(organisation);
          if (synchronised) this.#synchronised();
        }
      } catch (error) {
        if (!signal.aborted)
          this.logger.warn({ reason: (error as { reason?: string }).reason }, "identity is not reached, trying again");
      }
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, wait).unref());
    }
  }

  private apply(organisation: common.Organisation) {
    this.#known.set(organisation.id, organisation);
    if (organisation.revoked) this.trust.removeBundle(organisation.id);
    else this.trust.setBundle(organisation.id, organisation.bundle);
  }
}
