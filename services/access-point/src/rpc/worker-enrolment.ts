import { createOneTimeToken, secretHashOf } from "@parley/agreement";
import { enrolment } from "@parley/proto";
import { implement, type Binding } from "@parley/service-kit";
import type { OwnOrganisation } from "../domain/own-organisation.js";
import { denied } from "../domain/refusal.js";
import type { Vault } from "../store/vault.js";
import type { WorkerAdmission } from "./worker-admission.js";

const DAY_SECONDS = 86_400;

/** By which the audit log tells tokens apart: a part of its secret's hash, from which nobody finds the secret. */
const nameOf = (secretHash: Buffer) => `tok_${secretHash.toString("hex").slice(0, 12)}`;

/** First contact of workers: a token is taken in the same commit that notes it, before the certificate is made. */
export class WorkerEnrolment {
  /** Set once the listeners are up. */
  addresses = { members: "", fleet: "" };

  constructor(
    private readonly own: OwnOrganisation,
    private readonly vault: Vault,
    private readonly admission: WorkerAdmission,
  ) {}

  /** A token for one worker, or for any number where it is reusable; shown once. */
  createToken(
    { validSeconds, reusable }: { validSeconds: number; reusable: boolean },
    by: string,
    traceId: string,
  ): { token: string; expires: Date } {
    const { token, secretHash, expires } = createOneTimeToken({
      address: this.addresses.members,
      caDer: this.own.keys.bundle[0],
      validSeconds: Math.min(validSeconds || DAY_SECONDS, 30 * DAY_SECONDS),
    });
    this.vault.database.transaction(() => {
      this.vault.keys.addWorkerToken(secretHash, expires, reusable);
      this.vault.audit.append({
        action: "worker.token-created",
        actor: `${this.own.id}/${by}`,
        subject: this.own.id,
        traceId,
        details: { token: nameOf(secretHash), reusable, expires: expires.toISOString() },
      });
    });
    return { token, expires };
  }

  /** Ends all tokens that could still be used: one of them may be in wrong hands. @returns how many */
  revokeTokens(by: string, traceId: string): number {
    return this.vault.database.transaction(() => {
      const revoked = this.vault.keys.endWorkerTokens();
      this.vault.audit.append({
        action: "worker.tokens-revoked",
        actor: `${this.own.id}/${by}`,
        subject: this.own.id,
        traceId,
        details: { revoked },
      });
      return revoked;
    });
  }

  binding(): Binding {
    return implement<enrolment.WorkerEnrolmentServiceServer>(
      enrolment.WorkerEnrolmentServiceService,
      {
        enrolWorker: async ({ secret, csr }, { trace }) => {
          const taken = this.vault.database.transaction(() => {
            const hash = secretHashOf(secret);
            const fresh = secret.length === 32 && this.vault.keys.takeWorkerToken(hash);
            const worker = fresh ? this.vault.workers.begin() : undefined;
            this.vault.audit.append({
              action: fresh ? "worker.enrolled" : "worker.refused",
              actor: `${this.own.id}/worker`,
              subject: this.own.id,
              traceId: trace.traceId,
              details: { token: nameOf(hash), ...(worker && { worker }) },
            });
            return worker;
          });
          if (!taken)
            throw denied(
              "WORKER_TOKEN_REFUSED",
              "the worker's token is unknown, used, revoked or past its end",
              "Make a new one with `parley org worker-token`.",
            );
          return { ...(await this.admission.certify(taken, csr)), fleetAddress: this.addresses.fleet };
        },
      },
      { all: {} },
    );
  }
}
