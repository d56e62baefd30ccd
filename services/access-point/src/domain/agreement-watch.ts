import { isId } from "@parley/agreement";
import { agreements, fromServiceError, Code } from "@parley/proto";
import type { Logger } from "@parley/service-kit";
import type { Vault } from "../store/vault.js";
import type { Activation } from "./activation.js";
import type { Changes } from "./changes.js";
import type { Router } from "./router.js";

/** Refused agreements that are remembered, each with the last text that was refused. */
const MOST_REFUSED = 100;
/** Characters of an agreement with two bundles of authorities, generously. */
const MOST_TEXT = 256 * 1024;

/** Follows the router's word on agreements. It may end or suspend one, and point to one that both signed; it cannot make one. */
export class AgreementWatch {
  private readonly refused = new Map<string, agreements.Agreement>();

  constructor(
    private readonly vault: Vault,
    private readonly router: Router,
    private readonly activation: Activation,
    private readonly changes: Changes,
    private readonly logger: Logger,
    private readonly org: string,
  ) {}

  /** One stream, until it ends. */
  async follow(signal: AbortSignal, alive: () => void): Promise<void> {
    for await (const event of this.router.agreements.watchAgreements({}, { signal })) {
      alive();
      if (event.synchronised) this.changes.emit("revocation");
      if (event.agreement) await this.apply(event.agreement);
    }
  }

  /** After people trusted somebody: what was refused may hold now. */
  async retryRefused(): Promise<void> {
    const again = [...this.refused.values()];
    this.refused.clear();
    for (const agreement of again) await this.tryActivate(agreement);
  }

  private async apply(agreement: agreements.Agreement) {
    const { id, state, jws } = agreement;
    if (!isId("agr", id) || jws.length > MOST_TEXT) {
      this.logger.warn({ length: jws.length }, "the router sent something that is not an agreement");
      return;
    }
    switch (state) {
      case agreements.AgreementState.AGREEMENT_STATE_ACTIVE:
        if (this.vault.agreements.setSuspended(id, false)) this.note("agreement.resumed", id);
        return this.tryActivate(agreement);
      case agreements.AgreementState.AGREEMENT_STATE_SUSPENDED:
        if (this.vault.agreements.setSuspended(id, true)) this.note("agreement.suspended", id);
        return;
      case agreements.AgreementState.AGREEMENT_STATE_REVOKED:
        if (this.vault.agreements.end(id, "stated by the router")) this.note("agreement.ended", id);
        return;
      default:
        return;
    }
  }

  private async tryActivate(agreement: agreements.Agreement) {
    const { id, jws } = agreement;
    if (this.refused.get(id)?.jws === jws) return; // said once
    try {
      await this.activation.activate(jws);
    } catch (caught) {
      const { code, reason, message } = fromServiceError(caught);
      if (code === Code.UNAVAILABLE || code === Code.DEADLINE_EXCEEDED) throw caught;
      if (this.refused.size < MOST_REFUSED || this.refused.has(id)) this.refused.set(id, agreement);
      this.logger.warn({ agreement: id, reason, why: message }, "agreement refused");
      this.vault.audit.append({
        action: "agreement.refused",
        actor: "router/agreements",
        subject: id,
        details: { reason },
      });
    }
  }

  private note(action: string, id: string) {
    this.vault.audit.append({ action, actor: "router/agreements", subject: id, details: { at: this.org } });
    this.changes.emit("agreements");
  }
}
