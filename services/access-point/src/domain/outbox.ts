import { signStatement } from "@parley/agreement";
import { Code, fromServiceError } from "@parley/proto";
import type { Logger } from "@parley/service-kit";
import { dateOf, seconds } from "../store/database.js";
import type { Vault } from "../store/vault.js";
import type { OwnOrganisation } from "./own-organisation.js";
import type { Router } from "./router.js";

/** Answers that a repetition would not change. */
const FINAL: readonly Code[] = [Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.ALREADY_EXISTS];

/** Signed statements that wait in the vault until the router has taken them: revocations and reports of runs. */
export class Outbox {
  constructor(
    private readonly own: OwnOrganisation,
    private readonly vault: Vault,
    private readonly router: Pick<Router, "agreements">,
    private readonly logger: Logger,
  ) {}

  /** Sends all that waits. @throws ParleyError where the router cannot be reached; what was not sent stays */
  async flush(): Promise<void> {
    for (const { id, statement } of this.vault.agreements.unsentRevocations()) {
      await this.send("revocation", id, () => this.router.agreements.revokeAgreement({ agreementId: id, statement }));
      this.vault.agreements.markRevocationSent(id);
    }
    for (let waiting = this.vault.ledger.unreported(); waiting.length > 0; waiting = this.vault.ledger.unreported())
      for (const ended of waiting) {
        const { attempt, run, job, records, state } = ended;
        const agreement = this.vault.agreements.byDigest(ended.agreement)!.id;
        const body = {
          agreement,
          job,
          attempt,
          run,
          records,
          revealed: state === "revealed",
          at: dateOf(seconds()).toISOString(),
        };
        const report = signStatement("run-report", body, this.own.signer);
        await this.send("run report", attempt, () => this.router.agreements.reportRun({ report }));
        this.vault.ledger.markReported(attempt, run);
      }
  }

  private async send(what: string, subject: string, call: () => Promise<unknown>) {
    try {
      await call();
    } catch (caught) {
      const error = fromServiceError(caught);
      if (!FINAL.includes(error.code)) throw error;
      this.logger.warn({ what, subject, reason: error.reason, why: error.message }, "the router refused a statement");
    }
  }
}
