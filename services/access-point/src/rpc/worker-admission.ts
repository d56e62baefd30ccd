import { Code } from "@parley/proto";
import { thumbprintOf, type CallContext } from "@parley/service-kit";
import { X509Certificate } from "node:crypto";
import type { AttachedWorker } from "../domain/fleet/attached-worker.js";
import type { Fleet } from "../domain/fleet/fleet.js";
import type { OwnOrganisation } from "../domain/own-organisation.js";
import { denied, notFound, refusing } from "../domain/refusal.js";
import type { Vault } from "../store/vault.js";

export const workerRevoked = () =>
  denied(
    "WORKER_REVOKED",
    "this worker was revoked",
    "If it is one of yours, start it anew: it enrols with a current token.",
  );

/** Which workers may come in: those of the own authority that nobody revoked. */
export class WorkerAdmission {
  constructor(
    private readonly own: OwnOrganisation,
    private readonly vault: Vault,
    private readonly fleet: Fleet,
    /** Gives what a worker was doing to others. */
    private readonly lost: (worker: AttachedWorker) => void,
  ) {}

  /** The caller's enrolment. @throws ParleyError PERMISSION_DENIED where it was revoked */
  require({ peer }: CallContext): string {
    if (!peer) throw new Error("mutual TLS gives a peer");
    const until = new Date(new X509Certificate(peer.certificate).validTo);
    const { id, revoked } = this.vault.workers.ofCertificate(peer.thumbprint, until);
    if (revoked) throw workerRevoked();
    return id;
  }

  /** A stream to the caller, as long as nobody revokes it. @throws ParleyError as `require`, before the first and between pieces */
  async *whileIn<T>(context: CallContext, pieces: AsyncIterable<T>): AsyncIterable<T> {
    this.require(context);
    for await (const piece of pieces) {
      this.require(context);
      yield piece;
    }
  }

  /** A certificate of an enrolment, noted before it is given out. @throws ParleyError where it was revoked, or for a bad request */
  async certify(enrolment: string, csr: Uint8Array) {
    const issued = await refusing(() => this.own.certifyWorker(csr), Code.INVALID_ARGUMENT);
    if (!this.vault.workers.addCertificate(enrolment, thumbprintOf(issued.certificate), issued.expires))
      throw workerRevoked();
    return issued;
  }

  /** Notes what a worker calls itself, once. */
  named(enrolment: string, name: string, traceId: string) {
    this.vault.database.transaction(() => {
      if (!this.vault.workers.addName(enrolment, name)) return;
      this.vault.audit.append({
        action: "worker.named",
        actor: `${this.own.id}/worker`,
        subject: name,
        traceId,
        details: { worker: enrolment },
      });
    });
  }

  /**
   * Puts a worker out: every enrolment that used the name, or the one of that id. Nothing of it is taken any more, its
   * streams end, its certificate is not renewed.
   * @returns the enrolments, and when the last of their certificates ends, by which partners and the dealer know it
   * @throws ParleyError NOT_FOUND
   */
  revoke(name: string, by: string, traceId: string): { workers: string[]; certificatesEnd: Date; streams: number } {
    const found = this.vault.workers.named(name);
    if (found.length === 0)
      throw notFound(
        "WORKER_UNKNOWN",
        `no worker with a current certificate is, or was, called ${name.slice(0, 200)}`,
        "Take the name, or the id wrk_..., from the rows worker.enrolled and worker.named of the audit log.",
      );
    this.vault.database.transaction(() => {
      for (const { id } of found)
        if (this.vault.workers.revoke(id))
          this.vault.audit.append({
            action: "worker.revoked",
            actor: `${this.own.id}/${by}`,
            subject: name,
            traceId,
            details: { worker: id },
          });
    });
    const workers = found.map(({ id }) => id);
    const out = this.fleet.workers.filter(({ enrolment }) => workers.includes(enrolment));
    for (const worker of out) {
      this.fleet.expel(worker);
      this.lost(worker); // now, not when it deigns to read that its stream has ended
    }
    const certificatesEnd = new Date(Math.max(...found.map(({ goodUntil }) => goodUntil.getTime())));
    return { workers, certificatesEnd, streams: out.length };
  }
}
