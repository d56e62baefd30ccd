import { dealer } from "@parley/proto";
import { connect, selfTestOf, type Logger } from "@parley/service-kit";
import type { Vault } from "../store/vault.js";
import { requireDealer } from "./agreement-check.js";
import type { OwnOrganisation } from "./own-organisation.js";
import { precondition } from "./refusal.js";
import type { Router } from "./router.js";

const VALID_SECONDS = 600;

/**
 * Invites an organisation of this organisation's own, with which an installation tries itself: it has keys, an access point and
 * a worker like any other, so that nothing in the protocol is another for it. For trials: whoever may do this can make an
 * organisation that this one's people did not meet.
 */
export class SelfTest {
  constructor(
    private readonly own: OwnOrganisation,
    private readonly vault: Vault,
    private readonly router: Router,
    private readonly allowed: boolean,
    private readonly logger: Logger,
  ) {}

  /** @throws ParleyError FAILED_PRECONDITION where self tests are not allowed here; PERMISSION_DENIED where an operator does not allow them */
  async createTokens(by: string, traceId: string) {
    if (!this.allowed)
      throw precondition(
        "SELF_TEST_OFF",
        "self tests are not allowed at this access point",
        "Set PARLEY_ALLOW_SELF_TEST=true here, at identity and at the dealer; in trials only.",
      );
    const organisationId = selfTestOf(this.own.id);
    const request = { organisationId, validSeconds: VALID_SECONDS };
    const { token: routerToken } = await this.router.identity.createEnrolmentToken(request);
    const { token: dealerToken } = await this.atDealer((client) => client.createEnrolmentToken(request));
    this.logger.warn(
      { organisation: organisationId },
      "INSECURE: a self-test organisation was invited, for trials only",
    );
    this.vault.database.transaction(() =>
      this.vault.audit.append({
        action: "self-test.invited",
        actor: `${this.own.id}/${by}`,
        subject: organisationId,
        traceId,
      }),
    );
    return { organisationId, routerToken, dealerToken };
  }

  private async atDealer<T>(work: (client: ReturnType<typeof connectDealer>) => Promise<T>): Promise<T> {
    const { id, bundle } = requireDealer(this.vault);
    const address = this.vault.organisations.issuer("dealer")?.services.dealer ?? "";
    const client = connectDealer(this.own, address, id, bundle);
    try {
      return await work(client);
    } finally {
      client.close();
    }
  }
}

const connectDealer = (own: OwnOrganisation, address: string, org: string, bundle: readonly Buffer[]) =>
  connect(dealer.DealerServiceService, {
    address,
    own: own.certificate,
    server: { org, role: "dealer", bundle: () => bundle },
  });
