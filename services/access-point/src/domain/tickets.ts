import { verifyTicket, type TicketClaims } from "@parley/agreement";
import type { HeldAgreement } from "../store/agreements.js";
import { precondition, refusing } from "./refusal.js";
import type { Router } from "./router.js";

const REFRESH_MS = 5_000;

/**
 * Verifies tickets under the scheduler's keys, which come over the connection to the router that was pinned at enrolment. A
 * ticket narrows what an agreement permits: everything that it says is compared with the agreement held here.
 */
export class Tickets {
  private keys: string | undefined;
  private fetchedAt = -Infinity;
  private fetching: Promise<void> | undefined;

  constructor(
    private readonly router: Pick<Router, "scheduler">,
    private readonly own: { readonly id: string },
  ) {}

  /** @throws ParleyError FAILED_PRECONDITION ATTEMPT_TICKET_INVALID */
  async verify(ticket: string): Promise<TicketClaims> {
    if (this.keys === undefined) await this.refresh();
    try {
      return verifyTicket(ticket, this.keys ?? "", { audience: this.own.id });
    } catch (error) {
      if (performance.now() - this.fetchedAt < REFRESH_MS) return refusing<TicketClaims>(() => Promise.reject(error));
      await this.refresh();
      return refusing(() => verifyTicket(ticket, this.keys ?? "", { audience: this.own.id }));
    }
  }

  /** Compares a ticket with the agreement that it is for. @throws ParleyError FAILED_PRECONDITION naming the field */
  requireFits(claims: TicketClaims, agreement: HeldAgreement, run: { job: string; attempt: string }) {
    const [org0, org1] = agreement.party === 0 ? [this.own.id, agreement.partner] : [agreement.partner, this.own.id];
    const expected: Partial<Record<keyof TicketClaims, string>> = {
      job: run.job,
      jti: run.attempt,
      agreement: agreement.digest,
      planDigest: agreement.planDigest,
      org0,
      org1,
      operation: "predict",
    };
    for (const [name, value] of Object.entries(expected))
      if (claims[name as keyof TicketClaims] !== value)
        throw precondition(
          "TICKET_DIFFERS",
          `the ticket of attempt ${run.attempt} states another ${name} than the agreement or the order`,
          "The attempt is refused; nothing was spent.",
        );
  }

  private async refresh() {
    this.fetching ??= this.router.scheduler
      .getKeys({})
      .then(({ jwks }) => {
        this.keys = jwks;
        this.fetchedAt = performance.now();
      })
      .finally(() => (this.fetching = undefined));
    await this.fetching;
  }
}
