import { signStatement } from "@parley/agreement";
import { Code, ParleyError, fromServiceError } from "@parley/proto";
import type { Logger } from "@parley/service-kit";
import { dateOf, seconds } from "../store/database.js";
import type { EndedRun } from "../store/run-ledger.js";
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
      await this.report(waiting);
  }

  private async report(waiting: readonly EndedRun[]): Promise<void> {
    const reports = waiting.map(({ agreement, attempt, run, job, records, state }) => {
      const { id } = this.vault.agreements.byDigest(agreement)!;
      const at = dateOf(seconds()).toISOString();
      const body = { agreement: id, job, attempt, run, records, revealed: state === "revealed", at };
      return signStatement("run-report", body, this.own.signer);
    });
    const { outcomes } = await this.router.agreements.reportRuns({ reports });
    const done = waiting.filter((ended, index) => {
      const { code, reason, message, hint } = outcomes[index] ?? { code: Code.UNAVAILABLE };
      if (code === Code.OK) return true;
      if (!FINAL.includes(code)) return false;
      this.refused("run report", ended.attempt, new ParleyError(code, reason, message, hint));
      return true;
    });
    await this.vault.group.run(() => done.forEach(({ attempt, run }) => this.vault.ledger.markReported(attempt, run)));
    if (done.length < waiting.length)
      throw new ParleyError(Code.UNAVAILABLE, "REPORTS_NOT_TAKEN", "the router did not take all reports of runs");
  }

  private async send(what: string, subject: string, call: () => Promise<unknown>) {
    try {
      await call();
    } catch (caught) {
      const error = fromServiceError(caught);
      if (!FINAL.includes(error.code)) throw error;
      this.refused(what, subject, error);
    }
  }

  private refused(what: string, subject: string, { reason, message }: ParleyError) {
    this.logger.warn({ what, subject, reason, why: message }, "the router refused a statement");
  }
}
